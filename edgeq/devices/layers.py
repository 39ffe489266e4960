"""Profile files as they lie on disk: where they are, and one laid over the one that it extends.

Shipped profiles lie in `device_profiles/`, a user's own in the folder `devices` of edgeq's configuration. A
name stands for one file: the same name in both places is an error, so that nothing is shadowed unseen.
"""

import os
from pathlib import Path
from typing import Any

import msgspec

from edgeq.errors import ProfileError

Layer = dict[str, Any]
HINT = "docs/devices.md names the keys; `edgeq device show` prints a valid profile"


def config_root() -> Path:
    """Where a user's own settings lie: `EDGEQ_CONFIG`, else `edgeq` in the user's configuration folder."""
    if own := os.environ.get("EDGEQ_CONFIG"):
        return Path(own).expanduser().absolute()
    # The XDG Base Directory Specification: a relative path is to be ignored.
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return Path(base if base.startswith("/") else os.path.expanduser("~/.config")) / "edgeq"  # noqa: PTH111 - it raises without a home


def user_folder() -> Path:
    """The folder of the user's own profiles; it need not exist."""
    return config_root() / "devices"


def list_shipped() -> dict[str, Path]:
    """Shipped profiles by name. In a wheel they lie inside the package, in a checkout beside it."""
    package = Path(__file__).parents[1]
    folders = (package / "device_profiles", package.parent / "device_profiles")
    return next((_files(folder) for folder in folders if folder.is_dir()), {})


def list_own() -> dict[str, Path]:
    """The user's own profiles by name."""
    return _files(user_folder())


def find_profile(name: str) -> Path:
    """The file of the profile called `name`.

    Raises:
        ProfileError: there is none (the valid names are listed), or there are two.
    """
    shipped, own = list_shipped(), list_own()
    if name in shipped and name in own:
        raise ProfileError(
            f"{own[name]}: {name} is the name of a device that edgeq ships",
            hint=f'rename your file; to change the shipped one, let yours extend it: `extends = "{name}"`',
        )
    known = {**shipped, **own}
    if name not in known:
        raise ProfileError(
            f"no device is called {name!r}; there are: {', '.join(sorted(known))}",
            hint="`edgeq device list` shows them, `edgeq device add` makes one; a path to a .toml file is a "
            "device too",
        )
    return known[name]


def read_layers(path: Path, above: tuple[Path, ...] = ()) -> list[tuple[Path, Layer]]:
    """The file at `path`, and before it what it extends, the farthest first.

    Raises:
        ProfileError: unreadable, no TOML, extends nothing that there is, or itself.
    """
    path = path.absolute()
    if path in above:
        circle = " -> ".join(each.stem for each in (*above[above.index(path) :], path))
        raise ProfileError(f"{path}: extends itself: {circle}")
    layer = _read(path)
    base = layer.pop("extends", None)
    if base is None:
        return [(path, layer)]
    if not isinstance(base, str):
        raise ProfileError(f"{path}: Expected `str` - at `$.extends`", hint=HINT)
    try:
        below = find_profile(base)
    except ProfileError as error:
        raise ProfileError(f"{path}: extends: {error.message}", hint=error.hint) from error
    return [*read_layers(below, (*above, path)), (path, layer)]


def lay_over(base: Layer, top: Layer) -> Layer:
    """`base` with the keys of `top` put over it: tables key by key, everything else as a whole.

    A table with another `type` is another thing, and so replaces the whole one.
    """
    merged = dict(base)
    for key, value in top.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, dict) and _same_type(below, value):
            merged[key] = lay_over(below, value)
        else:
            merged[key] = value
    return merged


def _same_type(base: Layer, top: Layer) -> bool:
    return "type" not in top or top["type"] == base.get("type")


def _read(path: Path) -> Layer:
    try:
        layer = msgspec.toml.decode(path.read_bytes())
    except OSError as error:
        raise ProfileError(f"cannot read the profile {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ProfileError(f"{path}: not UTF-8 text") from error
    except msgspec.DecodeError as error:
        raise ProfileError(f"{path}: {error}", hint=HINT) from error
    assert isinstance(layer, dict)  # noqa: S101 - what TOML is
    return layer


def _files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}
