"""Settings that make a device's times steadier, made for a session and put back at its end, however it ends.

A shell on the device keeps the old values and puts them back when its input ends: with the session, with the
link, and when edgeq is killed.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgeq.devices.link import Link, Running, printable
from edgeq.devices.profile import AdbSpec, DeviceProfile
from edgeq.errors import DeviceError

Announce = Callable[[str], None]

_SECONDS = 60.0


@dataclass(frozen=True)
class Setting:
    """Something to set.

    Attributes:
        name: for people.
        get: script that prints its values, one word each.
        put: script that sets it to the words `$1`, `$2`, ..., one for each value.
        wanted: the word to set all values to.
    """

    name: str
    get: str
    put: str
    wanted: str


# A policy's governor is that of all its cores; the files come in the same order each time.
GOVERNOR = Setting(
    name="governor",
    get="cat /sys/devices/system/cpu/cpufreq/policy*/scaling_governor",
    put="for file in /sys/devices/system/cpu/cpufreq/policy*/scaling_governor; do "
    'echo "$1" >"$file" || return; shift; done',
    wanted="performance",
)
# Android's Settings.Global, "stay_on_while_plugged_in": bits for AC, USB and wireless chargers.
STAY_AWAKE = Setting(
    name="stay awake",
    get="settings get global stay_on_while_plugged_in",
    put='settings put global stay_on_while_plugged_in "$1"',
    wanted="7",
)

_HOLD = """
trap '' HUP INT TERM PIPE
get() {{ {get}; }}
put() {{ {put}; }}
old=$(get 2>/dev/null) || old=
[ -n "$old" ] || {{ echo unknown; exit; }}
new=
for each in $old; do new="$new {wanted}"; done
put $new 2>/dev/null || {{ put $old 2>/dev/null; echo refused; exit; }}
echo "set from" $old
while read -r _; do :; done
put $old 2>/dev/null
"""


@contextlib.contextmanager
def tuned(link: Link, profile: DeviceProfile, announce: Announce) -> Iterator[None]:
    """Set what may be set, in the `with` block.

    Args:
        link: the device.
        profile: says which kind of device it is.
        announce: called with a line for each setting: what it was, or why it stays.

    Raises:
        DeviceError: nothing could be set.
        DeviceUnreachable: the link broke.
    """
    settings = (GOVERNOR, STAY_AWAKE) if isinstance(profile.link, AdbSpec) else (GOVERNOR,)
    with contextlib.ExitStack() as stack:
        made = [_hold(link, setting, stack, announce) for setting in settings]
        if not any(made):
            raise DeviceError(
                f"{profile.name}: nothing could be tuned",
                hint="setting the governor needs root on the device; leave --tune out, or log in as root",
            )
        yield


def _hold(link: Link, setting: Setting, stack: contextlib.ExitStack, announce: Announce) -> bool:
    """Whether a setting was made; `stack` puts it back."""
    script = _HOLD.format(get=setting.get, put=setting.put, wanted=setting.wanted)
    holder: Running = link.start(["sh", "-c", script])
    stack.callback(holder.close)
    try:
        answer = printable(holder.read_line(timeout=_SECONDS))
    except EOFError:
        answer = "unknown"
    reasons = {
        "unknown": "the device does not tell what it is",
        "refused": "this user may not set it",
    }
    if answer in reasons:
        announce(f"{setting.name} is not tuned: {reasons[answer]}")
        return False
    announce(f"{setting.name} is {setting.wanted} for this session, {answer}")
    return True
