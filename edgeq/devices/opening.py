"""Open the link that a device profile names: one opener for each kind of link."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from edgeq.devices.adb.client import AdbTarget
from edgeq.devices.adb.link import AdbLink
from edgeq.devices.board.machine import open_board
from edgeq.devices.emulator import open_emulator
from edgeq.devices.link import Link
from edgeq.devices.local import LocalLink
from edgeq.devices.profile import AdbSpec, BoardSpec, DeviceProfile, EmulatorSpec, LocalSpec, SshSpec
from edgeq.devices.ssh.config import resolve
from edgeq.devices.ssh.link import SshLink

Announce = Callable[[str], None]


def open_device(
    profile: DeviceProfile,
    *,
    preload: Mapping[str, Path] | None = None,
    announce: Announce | None = None,
) -> AbstractContextManager[Link]:
    """The link to a device, to be used in a `with` block.

    Args:
        profile: which device.
        preload: what a device that is made on the spot (a board) has from the start: absolute path on it ->
            file or folder here. Devices that exist do without. `deploy.store_path` says where a set belongs.
        announce: called with a line when something that takes time begins.

    Raises:
        EdgeqError: as the kind of link does, some of it only when the link is first used.
    """
    opener = OPENERS[type(profile.link)]
    return opener(profile.link, preload=preload or {}, announce=announce, name=profile.name or None)


def _open_ssh(spec: SshSpec, *, name: str | None, **_: object) -> AbstractContextManager[Link]:
    return SshLink(resolve(spec, name))


def _open_adb(spec: AdbSpec, **_: object) -> AbstractContextManager[Link]:
    return AdbLink(AdbTarget(spec.serial, spec.server))


def _open_local(_spec: LocalSpec, **_: object) -> AbstractContextManager[Link]:
    return LocalLink()


# Each opener takes the spec of the type that it stands under, and `preload`, `announce` and the device's
# `name` by name.
OPENERS: dict[type, Callable[..., AbstractContextManager[Link]]] = {
    BoardSpec: open_board,
    SshSpec: _open_ssh,
    AdbSpec: _open_adb,
    LocalSpec: _open_local,
    EmulatorSpec: open_emulator,
}
