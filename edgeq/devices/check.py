"""Can edgeq work with a device: one line for each need, what was found, and the command that mends it."""

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from edgeq.devices.adb.phone import MAX_PAGE, read_needs
from edgeq.devices.batch import ask_all
from edgeq.devices.conditions import parse_governors
from edgeq.devices.hardware import Sensor
from edgeq.devices.link import Link
from edgeq.devices.opening import open_device
from edgeq.devices.probe import Facts, read_facts
from edgeq.devices.profile import AdbSpec, BoardSpec, DeviceProfile
from edgeq.devices.sensors import presence_script, tell_presence
from edgeq.errors import EdgeqError
from edgeq.results.records import Record
from edgeq.units import format_quantity

_GOVERNOR = "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
_CLOCK_SOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"

# Prints "ran" if a program in the folder may run; a script will do, the rule is the file system's. What was
# not there before is not there afterwards. busybox tells no path of a shell that is built into it.
_TRY_FOLDER = """
d={folder}; made=
umask 077
[ -d "$d" ] || {{ mkdir -p "$d" 2>&1 || exit; made=1; }}
[ -O "$d" ] || {{ echo "it belongs to another user"; exit; }}
t="$d/.check.$$"
s="$(command -v sh)"
case "$s" in /*) ;; *) s=/bin/sh;; esac
{{ printf '#!%s\\necho ran\\n' "$s" >"$t" && chmod 700 "$t" && "$t"; }} 2>&1
rm -f "$t"
[ -z "$made" ] || rmdir "$d"
"""

# Prints those of the programs named that are not there.
FIND_TOOLS = 'for each in {tools}; do command -v "$each" >/dev/null || echo "$each"; done'

# What the three mean for INT8 programs: XNNPACK has kernels for dot products and for matrix products.
_INT8_FEATURES = {"asimddp": "dot product", "i8mm": "matrix product", "sve": "SVE"}


class Demands(Record, frozen=True, kw_only=True):
    """What the runner asks of a device: architectures, oldest glibc, features by architecture."""

    architectures: tuple[str, ...]
    glibc: str
    features: dict[str, tuple[str, ...]]


class Need(Record, frozen=True, kw_only=True):
    """One line of a check.

    Attributes:
        name: what was looked at.
        state: `ok`; `note` for what works and could be better; `missing` when edgeq cannot work without.
        found: what the device has.
        remedy: what to do, or None.
    """

    name: str
    state: Literal["ok", "note", "missing"]
    found: str
    remedy: str | None = None


class Check(Record, frozen=True, kw_only=True):
    """The needs of one device, in order; usable when none is missing."""

    device: str
    usable: bool
    needs: tuple[Need, ...]


def check_device(
    profile: DeviceProfile, demands: Demands, announce: Callable[[str], None]
) -> tuple[Check, EdgeqError | None]:
    """Open the device and look at every need.

    Returns:
        the check, and the error that ended it early, if one did: its last line tells of it.
    """
    needs: list[Need] = []
    error = None
    try:
        start = time.monotonic()
        with open_device(profile, announce=announce) as link:
            facts = read_facts(link, profile)
            needs.append(_need("reachable", f"answers in {time.monotonic() - start:.1f} s"))
            needs += _judge_system(link, profile, facts, demands)
            needs += judge_cores(profile, facts, demands)
            needs += judge_room(profile, facts)
            needs += _judge_readings(link, profile)
    except EdgeqError as caught:
        error = caught
        name = "answers" if needs else "reachable"
        needs.append(Need(name=name, state="missing", found=caught.message, remedy=caught.hint))
    usable = all(need.state != "missing" for need in needs)
    return Check(device=profile.name, usable=usable, needs=tuple(needs)), error


def _judge_system(link: Link, profile: DeviceProfile, facts: Facts, demands: Demands) -> list[Need]:
    """Can the runner's program run there: on a phone it brings its C library along."""
    if isinstance(profile.link, AdbSpec):
        return [
            Need(name=each.name, state="ok", found=each.found)
            if each.problem is None
            else Need(name=each.name, state="missing", found=each.problem, remedy=each.hint)
            for each in read_needs(link, profile.work_folder)
        ]
    script = _TRY_FOLDER.format(folder=shlex.quote(profile.work_folder))
    tools = list_tools(profile)
    answers = ask_all(link, {"folder": script, "tools": FIND_TOOLS.format(tools=" ".join(tools))})
    return [
        judge_arch(facts, demands),
        judge_glibc(facts, demands),
        judge_page(facts),
        judge_folder(profile, answers["folder"]),
        judge_tools(tools, answers["tools"]),
    ]


def judge_arch(facts: Facts, demands: Demands) -> Need:
    """Is there a runner for its programs; a 32-bit system may well have a 64-bit kernel."""
    remedy = "install a 64-bit system; for a Raspberry Pi the 64-bit Raspberry Pi OS"
    if facts.arch not in demands.architectures:
        found = f"{facts.arch}; there are runners for {', '.join(demands.architectures)}"
        return Need(name="architecture", state="missing", found=found, remedy=remedy)
    if facts.bits == 32:
        found = f"{facts.arch} kernel, but a 32-bit system on it"
        return Need(name="architecture", state="missing", found=found, remedy=remedy)
    return _need("architecture", facts.arch)


def judge_glibc(facts: Facts, demands: Demands) -> Need:
    """Is its C library the right one, and new enough."""
    name, _, version = facts.libc.partition(" ")
    remedy = f"take a system with glibc {demands.glibc} or newer, such as Debian 10 or Raspberry Pi OS 11"
    if name != "glibc" or not version:
        found = f"{facts.libc}; the runner needs glibc"
        return Need(name="C library", state="missing", found=found, remedy=remedy)
    if _version(version) < _version(demands.glibc):
        found = f"{facts.libc}; the runner needs {demands.glibc} or newer"
        return Need(name="C library", state="missing", found=found, remedy=remedy)
    return _need("C library", facts.libc)


def judge_page(facts: Facts) -> Need:
    """Are its pages of memory no larger than what the libraries are aligned to."""
    if facts.page is None:
        return Need(name="page size", state="note", found="the device does not tell")
    if facts.page > MAX_PAGE:
        found = f"{facts.page} bytes; the runner's libraries are aligned to {MAX_PAGE}"
        return Need(name="page size", state="missing", found=found, remedy="boot a kernel with smaller pages")
    return _need("page size", f"{facts.page} bytes")


def judge_folder(profile: DeviceProfile, answer: str) -> Need:
    """Could a program be written to the work folder and run there."""
    folder = profile.work_folder
    if answer.splitlines()[-1:] == ["ran"]:
        return _need("work folder", f"{folder}, a program was written and ran there")
    reason = answer.splitlines()[-1][:200] if answer else "nothing could be written"
    remedy = "set `work_folder` in the profile to a folder that this user may write to, not mounted noexec"
    return Need(name="work folder", state="missing", found=f"{folder}: {reason}", remedy=remedy)


def list_tools(profile: DeviceProfile) -> tuple[str, ...]:
    """The programs that edgeq starts there beside its own; an emulated board is not shared: no lock."""
    copying = ("cat", "df", "mktemp", "sha256sum")
    return copying if isinstance(profile.link, BoardSpec) else (*copying, "flock")


def judge_tools(tools: Sequence[str], answer: str) -> Need:
    """Are the programs there that files are copied, checked and locked with."""
    if lacking := answer.split():
        found = f"no {', no '.join(lacking)[:200]}"
        remedy = "install coreutils and util-linux there, or a busybox that has them"
        return Need(name="tools", state="missing", found=found, remedy=remedy)
    return _need("tools", ", ".join(tools))


def compare_cores(profile: DeviceProfile, facts: Facts) -> Need:
    """Are the cores those that the profile names; if it is another device, its numbers are that one's."""
    said = " + ".join(f"{len(each.cpus)} x {each.name}" for each in profile.cores)
    seen = " + ".join(f"{len(each.cpus)} x {each.name}" for each in facts.clusters)
    if not said or not seen or said == seen:
        return _need("cores", facts.cpu)
    way = "--adb SERIAL" if isinstance(profile.link, AdbSpec) else "--ssh USER@HOST"
    return Need(
        name="cores",
        state="note",
        found=f"{facts.cpu}; the profile says {said}",
        remedy=f"make a profile of this device: `edgeq device add NAME {way}`",
    )


def judge_cores(profile: DeviceProfile, facts: Facts, demands: Demands) -> list[Need]:
    """Which cores, and which of the instructions that programs are made of."""
    cores = compare_cores(profile, facts)
    needed = demands.features.get(facts.arch, ())
    lacking = [name for name in needed if name not in facts.features]
    if lacking:
        found = f"lacks {', '.join(lacking)}, which the runner is built with"
        return [cores, Need(name="CPU features", state="missing", found=found, remedy="take another device")]
    needs = (
        [cores, _need("CPU features", f"{', '.join(needed)}: all that the runner needs")]
        if needed
        else [cores]
    )
    if facts.arch == "aarch64":
        words = [
            f"{word} ({name}) {'yes' if name in facts.features else 'no'}"
            for name, word in _INT8_FEATURES.items()
        ]
        needs.append(_need("INT8 features", ", ".join(words)))
    return needs


def judge_room(profile: DeviceProfile, facts: Facts) -> list[Need]:
    """Disk and memory against what the profile asks for."""
    rows = (
        ("free space", facts.free_disk, profile.limits.free_disk, f"in {profile.work_folder}"),
        ("memory", facts.memory.get("MemAvailable"), profile.limits.free_memory, "available"),
    )
    needs = []
    for name, has, asked, where in rows:
        if has is None:
            needs.append(Need(name=name, state="note", found="the device does not tell"))
            continue
        found = f"{format_quantity(has, 'B')} {where}"
        if has < asked:
            found += f"; the profile asks for {format_quantity(asked, 'B')}"
            key = "limits.free_disk` or `work_folder" if name == "free space" else "limits.free_memory"
            remedy = f"make room on the device, or change `{key}` in the profile"
            needs.append(Need(name=name, state="missing", found=found, remedy=remedy))
        else:
            needs.append(_need(name, found))
    return needs


def _judge_readings(link: Link, profile: DeviceProfile) -> list[Need]:
    questions = {f"sensor.{sensor.name}": presence_script(sensor.source) for sensor in profile.sensors}
    questions |= {"governor": f"grep -H . {_GOVERNOR}", "clock": f"cat {_CLOCK_SOURCE}"}
    return judge_readings(profile, ask_all(link, questions))


def judge_readings(profile: DeviceProfile, answers: Mapping[str, str]) -> list[Need]:
    """Sensors, governor and clock; none of them keeps a device from being used.

    `answers` are those to `sensor.NAME` of each sensor, `governor` and `clock`.
    """
    needs = [_judge_sensor(sensor, answers[f"sensor.{sensor.name}"]) for sensor in profile.sensors]
    if not profile.sensors and profile.kind == "emulated":
        needs = [_need("sensors", "none: nothing gets hot or draws power here")]
    elif not profile.sensors:
        needs = [Need(name="sensors", state="note", found="the profile names none")]
    return [*needs, _judge_governor(profile, answers["governor"]), _judge_clock(profile, answers["clock"])]


def _judge_sensor(sensor: Sensor, answer: str) -> Need:
    name = f"sensor {sensor.name}"
    found = tell_presence(sensor, answer)
    if found is None:
        return Need(
            name=name,
            state="note",
            found=f"{sensor.quantity} ({sensor.site}): not there, or not readable for this user",
            remedy=f"see {sensor.documented}",
        )
    return _need(name, found)


def _judge_governor(profile: DeviceProfile, answer: str) -> Need:
    reading = parse_governors(answer)["governor"]
    if profile.clock != "wall":
        return _need("governor", "none, and none is needed")
    if reading.value is None:
        return Need(name="governor", state="note", found="none: its clock cannot be held still from here")
    if reading.value == "performance":
        return _need("governor", "performance")
    return Need(
        name="governor",
        state="note",
        found=f"{reading.value}: the clock moves with the load",
        remedy=f"echo performance | sudo tee {_GOVERNOR}",
    )


def _judge_clock(profile: DeviceProfile, answer: str) -> Need:
    if profile.clock == "instructions":
        return _need("clock", "counts instructions, not time")
    if profile.clock == "none":
        return Need(name="clock", state="note", found="none: nothing is timed on qemu-user")
    return _need("clock", f"wall clock ({answer or 'source not told'})")


def _need(name: str, found: str) -> Need:
    return Need(name=name, state="ok", found=found)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())
