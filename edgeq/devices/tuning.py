"""Settings that make a device's times steadier, made for a session and put back at its end, however it ends.

A shell on the device keeps the old values and puts them back when its input ends: with the session, with the
link, and when edgeq is killed. The input of one whose connection died without a word ends much later: whoever
takes the device over ends it before that, by the lock that it holds on a file in the work folder.
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
        price: what it costs, for people; empty when nothing.
    """

    name: str
    get: str
    put: str
    wanted: str
    price: str = ""


# A policy's governor is that of all its cores; the files come in the same order each time.
GOVERNOR = Setting(
    name="governor",
    get="cat /sys/devices/system/cpu/cpufreq/policy*/scaling_governor",
    put="for file in /sys/devices/system/cpu/cpufreq/policy*/scaling_governor; do "
    'echo "$1" >"$file" || return; shift; done',
    wanted="performance",
)
# Android's Settings.Global, "stay_on_while_plugged_in": bits for AC, USB and wireless chargers; null is unset
STAY_AWAKE = Setting(
    name="stay awake",
    get="settings get global stay_on_while_plugged_in",
    put='if [ "$1" = null ]; then settings delete global stay_on_while_plugged_in; '
    'else settings put global stay_on_while_plugged_in "$1"; fi',
    wanted="7",
    price="the screen stays on, which draws power and heats the phone",
)
# Android 11's `cmd power` (AOSP, PowerManagerShellCommand): clocks that the phone can hold for ever. Nothing
# tells whether it is on; it is off unless somebody's shell has set it. Not run on a phone.
FIXED_PERFORMANCE = Setting(
    name="fixed performance mode",
    get="cmd power help | grep -q set-fixed-performance-mode-enabled && echo false",
    put='cmd power set-fixed-performance-mode-enabled "$1"',
    wanted="true",
)
# A property of Pixels that a shell may set (sepolicy, power_debug_prop); androidx.benchmark sets it so that
# the battery feeds the phone while the cable is in. Not run on a phone.
CHARGING_SUSPENDED = Setting(
    name="charging suspended",
    get="v=$(getprop power.battery_input.suspended); echo ${v:-false}",
    put='setprop power.battery_input.suspended "$1" && [ "$(getprop power.battery_input.suspended)" = "$1" ]',
    wanted="true",
    price="the battery runs down meanwhile",
)

# `$1` is the work folder. SIGTERM ends the wait, and nothing else.
_HOLD = """
trap '' HUP INT TERM PIPE
umask 077
mark="$1/tuned.$$"
[ ! -d "$1" ] || {{ exec 9>"$mark" && flock -n 9 9>&9; }}
get() {{ {get}; }}
put() {{ {put}; }}
old=$(get 2>/dev/null) || old=
[ -n "$old" ] || {{ rm -f "$mark"; echo unknown; exit; }}
new=
for each in $old; do new="$new {wanted}"; done
put $new 2>/dev/null || {{ put $old 2>/dev/null; rm -f "$mark"; echo refused; exit; }}
trap : TERM
echo "set from" $old
while read -r _; do :; done
trap '' TERM
put $old 2>/dev/null
rm -f "$mark"
"""
# A file that nobody holds was left by a device that went down: its number may be another process's by now. A
# signal may come right before the wait, and is sent again.
_END = """
for mark in "$1"/tuned.*; do
  [ -e "$mark" ] || continue
  left=20
  until flock -n 9 9<"$mark" || [ ! -e "$mark" ]; do
    [ $left -gt 0 ] || { echo "process ${mark##*.} there does not put back what it tuned" >&2; exit 1; }
    left=$((left - 1))
    kill -TERM "${mark##*.}"
    sleep 1
  done
  rm -f "$mark"
done
"""


def end_left_tuning(link: Link, root: str) -> None:
    """End the shells that tune for nobody any more, so that they put back what they set.

    Args:
        link: the device; the caller has its lock.
        root: its work folder.

    Raises:
        DeviceError: one does not end.
        DeviceUnreachable: the link broke.
    """
    done = link.run(["sh", "-c", _END, "sh", root], timeout=_SECONDS)
    done.check("ending what an earlier session tuned", hint="restart the device")


@contextlib.contextmanager
def tuned(link: Link, profile: DeviceProfile, announce: Announce, *, power: bool = False) -> Iterator[None]:
    """Set what may be set, in the `with` block.

    Args:
        link: the device.
        profile: says which kind of device it is.
        announce: called with a line for each setting: what it was, or why it stays.
        power: whether power is measured, so that a phone is not to charge meanwhile.

    Raises:
        DeviceError: nothing could be set.
        DeviceUnreachable: the link broke.
    """
    settings = [GOVERNOR]
    if isinstance(profile.link, AdbSpec):
        settings += [FIXED_PERFORMANCE, STAY_AWAKE, *([CHARGING_SUSPENDED] if power else [])]
    with contextlib.ExitStack() as stack:
        made = [_hold(link, profile.work_folder, setting, stack, announce) for setting in settings]
        if not any(made):
            raise DeviceError(
                f"{profile.name}: nothing could be tuned",
                hint="setting the governor needs root on the device; leave --tune out, or log in as root",
            )
        yield


def _hold(link: Link, root: str, setting: Setting, stack: contextlib.ExitStack, announce: Announce) -> bool:
    """Whether a setting was made; `stack` puts it back."""
    script = _HOLD.format(get=setting.get, put=setting.put, wanted=setting.wanted)
    holder: Running = link.start(["sh", "-c", script, "sh", root])
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
    price = f"; {setting.price}" if setting.price else ""
    announce(f"{setting.name} is {setting.wanted} for this session, {answer}{price}")
    return True
