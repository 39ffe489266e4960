"""edgeq's folder on a device: had by one edgeq at a time, free of what killed ones left, kept or removed."""

import contextlib
from collections.abc import Callable, Iterator

from edgeq.devices.link import Link
from edgeq.devices.lock import hold_device
from edgeq.devices.profile import DeviceProfile
from edgeq.devices.tuning import end_left_tuning
from edgeq.errors import DeployError, EdgeqError

_SECONDS = 120.0

# Nobody else is at work while we hold the lock: run folders and files that never became whole are dead.
_SWEEP = r"""
rm -rf -- "$1"/run.*
[ ! -d "$1/store" ] || find "$1/store" -type f -name '.*' -exec rm -f -- {} +
"""
# The lock goes last, when there is little else to do: whoever waits takes the next file of that name, and a
# folder that holds it stays.
_REMOVE = r"""
find "$1/" -mindepth 1 -maxdepth 1 ! -name 'lock*' -exec rm -rf -- {} +
rm -f -- "$1"/lock*
rmdir -- "$1"
"""


@contextlib.contextmanager
def use_work_folder(
    link: Link, profile: DeviceProfile, *, wait: float, announce: Callable[[str], None]
) -> Iterator[None]:
    """Lock the device, end what still tunes it, sweep its work folder; at the end keep or remove that.

    Args:
        link: the device.
        profile: names the work folder.
        wait: seconds to wait for another user of the device.
        announce: called with a line when waiting begins.

    Raises:
        DeviceBusy: another one has the device.
        DeployError, DeviceError, DeviceUnreachable: as the device says.
    """
    root = profile.work_folder
    try:
        with hold_device(link, root, profile.name, wait=wait, announce=announce):
            end_left_tuning(link, root)
            swept = link.run(["sh", "-c", _SWEEP, "sh", root], timeout=_SECONDS)
            swept.check(f"removing what an earlier run left in {root}", DeployError)
            yield
    finally:
        if not profile.keep_files:
            _remove(link, profile)


def _remove(link: Link, profile: DeviceProfile) -> None:
    """Remove the folder unless somebody else has come meanwhile, or the device is gone."""
    root = profile.work_folder
    with (
        contextlib.suppress(EdgeqError),
        hold_device(link, root, profile.name, wait=0, announce=lambda _line: None),
    ):
        link.run(["sh", "-c", _REMOVE, "sh", root], timeout=_SECONDS)
