"""Device profiles: which device, how to reach it, what it has. Data only; nothing is opened here.

A profile is a TOML file named after the device: a shipped one, one of the user's own, or any file by its
path. It may extend another one. Unknown keys and wrong types are errors that name the file and the key.
"""

import platform
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from edgeq.devices.hardware import Cores, ProfilePart, Sensor, check_features, check_parts
from edgeq.devices.layers import HINT, find_profile, lay_over, list_own, list_shipped, read_layers
from edgeq.errors import ProfileError
from edgeq.results.records import Clock

PROFILE_SCHEMA = 1
_NO_SECRETS = "take it out: edgeq keeps no secrets; put a key on the device (`ssh-copy-id`), or into ssh-add"


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
    """A Linux device over SSH. Never a password: a key file, or the agent's keys.

    What is left out comes from the user's ssh_config(5), as with `ssh HOST`, and then from SSH's defaults.

    Attributes:
        host: address, or an alias of ssh_config.
        key: private key file.
        known_hosts: file of accepted host keys.
        jump: hosts to go through, first one first, as `ssh -J` takes them: `[user@]host[:port]`.
        config: ssh_config file; None for the user's own.
    """

    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    user: str | None = None
    key: str | None = None
    known_hosts: str | None = None
    jump: tuple[str, ...] = ()
    config: str | None = None


class AdbSpec(ProfilePart, frozen=True, kw_only=True, tag="adb"):
    """An Android device over adb.

    Attributes:
        serial: as `adb devices` lists it, or `host:port` of a device on the network; None for the only one.
        server: `host:port` of the adb server; None for the one of this machine.
    """

    serial: str | None = None
    server: str | None = None


class LocalSpec(ProfilePart, frozen=True, kw_only=True, tag="local"):
    """The machine that edgeq runs on."""


class EmulatorSpec(ProfilePart, frozen=True, kw_only=True, tag="emulator"):
    """arm64 programs on this machine's kernel under qemu-user. Its clock says nothing about any device.

    Attributes:
        cpu: QEMU's name of the core, e.g. `cortex-a76`.
    """

    cpu: str


class Limits(ProfilePart, frozen=True, kw_only=True):
    """What a run needs of the device. Too little room is refused; a run beyond the others is not valid.

    Attributes:
        free_disk: free in the work folder's file system, bytes.
        free_memory: that a program can have without swapping, bytes.
        temperature: of the hottest zone at the start of a run, degC; a run waits until it is cool enough.
        cool_seconds: how long it waits for that.
        load: cores that others keep busy right before a run, at most.
        governor: the frequency governor that must be set.
        clock: of every core used, at every sample of the measured inferences, Hz at least.
        others: cores that other processes kept busy meanwhile, in the mean, at most.
        throttling_allowed: whether a run that the firmware held back is valid all the same.
    """

    free_disk: int = 64_000_000
    free_memory: int = 64_000_000
    temperature: float | None = None
    cool_seconds: Annotated[float, msgspec.Meta(ge=0)] = 300.0
    load: float | None = None
    governor: str | None = None
    clock: float | None = None
    others: float | None = None
    throttling_allowed: bool = False


class RunDefaults(ProfilePart, frozen=True, kw_only=True):
    """How programs run on the device unless a command says otherwise; `edgeq sweep --save` finds it.

    Attributes:
        threads: of the runner.
        cpus: cores to pin it to; empty for no pinning.
    """

    threads: Annotated[int, msgspec.Meta(ge=1)] = 1
    cpus: tuple[Annotated[int, msgspec.Meta(ge=0, le=4095)], ...] = ()


class DeviceProfile(ProfilePart, frozen=True, kw_only=True):
    """One device. `name` comes from the file's name.

    Attributes:
        work_folder: where edgeq keeps its files on it: an absolute path, a folder of edgeq's own.
        keep_files: whether runner and programs stay there for the next run, or go after each one.
        run: threads and cores of the runner.
        cores: its cores by kind.
        features: instruction-set features that all cores have, in the words of /proc/cpuinfo.
        sensors: what it can be asked for.
        sources: where all this is documented.
    """

    schema: Literal[1]
    description: str
    link: BoardSpec | SshSpec | AdbSpec | LocalSpec | EmulatorSpec
    work_folder: Annotated[str, msgspec.Meta(pattern="^/.*[^/]$")] = "/var/tmp/edgeq"  # noqa: S108 - made 0700
    keep_files: bool = True
    limits: Limits = Limits()
    run: RunDefaults = RunDefaults()
    cores: tuple[Cores, ...] = ()
    features: tuple[str, ...] = ()
    sensors: tuple[Sensor, ...] = ()
    sources: tuple[str, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        check_features(self.features)
        check_parts(self.cores, self.sensors)

    @property
    def kind(self) -> Literal["hardware", "emulated"]:
        """Whether its numbers come from real silicon."""
        return "emulated" if isinstance(self.link, BoardSpec | EmulatorSpec) else "hardware"

    @property
    def clock(self) -> Clock:
        """What the device's monotonic clock counts."""
        if isinstance(self.link, EmulatorSpec):
            return "none"
        return "instructions" if isinstance(self.link, BoardSpec) else "wall"

    @property
    def arch(self) -> str | None:
        """The machine's name as `uname -m` gives it, where it is known before the device is reached."""
        if isinstance(self.link, LocalSpec):
            return host_arch()
        return None if isinstance(self.link, SshSpec) else "aarch64"

    @property
    def private_words(self) -> tuple[str, ...]:
        """What says whose device it is and where; no record holds it."""
        link = self.link
        if isinstance(link, SshSpec):
            words = (link.host, link.user, link.key, link.known_hosts, link.config, *link.jump)
        else:
            words = (link.serial, link.server) if isinstance(link, AdbSpec) else ()
        return tuple(word for word in words if word)


def host_arch() -> str:
    """This machine's architecture in the words of Linux's `uname -m`; other systems have others."""
    machine = platform.machine().lower()
    return {"arm64": "aarch64", "amd64": "x86_64"}.get(machine, machine)


def load_profile(name: str) -> DeviceProfile:
    """Load a profile by name, or a profile file by path (anything with `/` or ending in `.toml`).

    Raises:
        ProfileError: unknown (the valid names are listed), unreadable, an unknown key or a wrong type, two
            files of one name, or one that extends itself.
    """
    return read_profile(Path(name) if "/" in name or name.endswith(".toml") else find_profile(name))


def read_profile(path: Path) -> DeviceProfile:
    """Read one profile file with what it extends; see `load_profile` for what it raises."""
    merged: dict[str, Any] = {}
    for file, layer in read_layers(path):
        merged = lay_over(merged, layer)
        profile = _convert(file, layer, merged)
    return msgspec.structs.replace(profile, name=path.stem)


def list_profiles() -> dict[str, Path]:
    """All profiles by name, the shipped ones first; of a name that stands twice the user's file."""
    return {**list_shipped(), **list_own()}


def _convert(path: Path, layer: dict[str, Any], merged: dict[str, Any]) -> DeviceProfile:
    """Each layer has to make a whole profile with those below it, so that an error is of its own file."""
    wrong = "contains unknown field `name`" if "name" in layer else None
    if "schema" not in layer:
        wrong = "missing required field `schema`"
    try:
        profile = msgspec.convert(merged, DeviceProfile)
    except msgspec.ValidationError as error:
        hint = _NO_SECRETS if re.search("unknown field `pass(word|phrase)`", str(error)) else HINT
        raise ProfileError(f"{path}: {error}", hint=hint) from error
    if wrong:
        raise ProfileError(f"{path}: Object {wrong}", hint=HINT)
    return profile
