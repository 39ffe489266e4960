"""Device profiles: which device, how to reach it, what it has. Data only; nothing is opened here.

A profile is a TOML file named after the device. Shipped ones lie in `device_profiles/`; a path to a file of
the user's own is a profile too. Unknown keys and wrong types are errors that name the file and the key.
"""

import platform
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edgeq.errors import ProfileError

PROFILE_SCHEMA = 1


class ProfilePart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every part of a profile: strict, immutable."""


class BoardSpec(ProfilePart, frozen=True, kw_only=True, tag="board"):
    """A booted arm64 Linux under qemu-system-aarch64, reached over SSH on the loopback interface.

    It has one core, and its clock counts instructions: a nanosecond of guest time is an instruction.

    Attributes:
        cpu: QEMU's name of the core, e.g. `cortex-a76`.
        memory_mib: memory of the machine, MiB; 256 at least, the board's files live in it.
    """

    cpu: str
    memory_mib: Annotated[int, msgspec.Meta(ge=256)] = 512


class SshSpec(ProfilePart, frozen=True, kw_only=True, tag="ssh"):
    """A Linux device over SSH. Never a password: a key file, or the agent's keys."""

    host: str
    port: int = 22
    user: str | None = None
    key: str | None = None
    known_hosts: str | None = None


class LocalSpec(ProfilePart, frozen=True, kw_only=True, tag="local"):
    """The machine that edgeq runs on."""


class Limits(ProfilePart, frozen=True, kw_only=True):
    """What a run needs of the device. `free_disk`: bytes in the work folder's file system."""

    free_disk: int = 64_000_000


class DeviceProfile(ProfilePart, frozen=True, kw_only=True):
    """One device. `name` comes from the file's name.

    `work_folder` is where edgeq keeps its files on it: an absolute path, a folder of edgeq's own.
    """

    schema: Literal[1]
    description: str
    link: BoardSpec | SshSpec | LocalSpec
    work_folder: Annotated[str, msgspec.Meta(pattern="^/.*[^/]$")] = "/var/tmp/edgeq"  # noqa: S108 - made 0700
    limits: Limits = Limits()
    sources: tuple[str, ...] = ()
    name: str = ""

    @property
    def kind(self) -> Literal["hardware", "emulated"]:
        """Whether its numbers come from real silicon."""
        return "emulated" if isinstance(self.link, BoardSpec) else "hardware"

    @property
    def clock(self) -> Literal["wall", "instructions"]:
        """What the device's monotonic clock counts: nanoseconds, or instructions."""
        return "instructions" if isinstance(self.link, BoardSpec) else "wall"

    @property
    def arch(self) -> str | None:
        """The machine's name as `uname -m` gives it, where it is known before the device is reached."""
        if isinstance(self.link, BoardSpec):
            return "aarch64"
        return host_arch() if isinstance(self.link, LocalSpec) else None


def host_arch() -> str:
    """This machine's architecture in the words of Linux's `uname -m`; other systems have others."""
    machine = platform.machine().lower()
    return {"arm64": "aarch64", "amd64": "x86_64"}.get(machine, machine)


def load_profile(name: str) -> DeviceProfile:
    """Load a shipped profile by name, or a profile file by path (anything with `/` or ending in `.toml`).

    Raises:
        ProfileError: unknown (the valid names are listed), unreadable, an unknown key or a wrong type.
    """
    if "/" in name or name.endswith(".toml"):
        return read_profile(Path(name))
    known = list_profiles()
    if name not in known:
        raise ProfileError(
            f"no device is called {name!r}; there are: {', '.join(sorted(known))}",
            hint="`edgeq device list` shows them; a path to a .toml file is a device too",
        )
    return read_profile(known[name])


def read_profile(path: Path) -> DeviceProfile:
    """Read one profile file; see `load_profile` for what it raises."""
    try:
        profile = msgspec.toml.decode(path.read_bytes(), type=DeviceProfile)
    except OSError as error:
        raise ProfileError(f"cannot read the profile {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ProfileError(f"{path}: not UTF-8 text") from error
    except msgspec.DecodeError as error:
        raise ProfileError(
            f"{path}: {error}",
            hint="docs/architecture.md names the keys; `edgeq device show` prints a valid one",
        ) from error
    return msgspec.structs.replace(profile, name=path.stem)


def list_profiles() -> dict[str, Path]:
    """Shipped profiles by name. In a wheel they lie inside the package, in a checkout beside it."""
    package = Path(__file__).parents[1]
    for folder in (package / "device_profiles", package.parent / "device_profiles"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.toml"))}
    return {}
