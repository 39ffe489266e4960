"""What an Android phone says of itself, and whether the runner can work on it: parsers, and one check.

The runner is a glibc program that brings its own C library (see `edgeq.runner.standalone`): Android's own one
takes no part in it.
"""

import re
import shlex
from dataclasses import dataclass

from edgeq.devices.batch import ask_all
from edgeq.devices.link import Link
from edgeq.errors import DeviceError

# Android 8: ExecuTorch's own Android builds are made for it or newer, and what edgeq asks of the phone's
# shell (sha256sum, setsid, flock, stat, `env -u`) came together in the years before it.
MIN_SDK = 26
# Segments of the runner and of its libraries are aligned to this, so smaller pages will do: 4 KiB, and the
# 16 KiB of some phones with Android 15 or newer.
MAX_PAGE = 65536
# What a report says the C library is.
LIBC = "bionic; the runner brings its own glibc"

_QUESTIONS = {
    "properties": "getprop",
    "page": "getconf PAGE_SIZE || grep -m 1 KernelPageSize /proc/self/smaps",
    # ExecuTorch's XNNPACK asks these for the cores (cpuinfo, src/linux/processors.c).
    "cores": "cat /sys/devices/system/cpu/possible /sys/devices/system/cpu/present",
}
# Prints "ran" if a program in the folder given may run; a script will do, the rule is the file system's.
_EXECUTE = """
d={folder}; umask 077; [ -d "$d" ] || mkdir -p "$d" || exit
t="$d/.can-run.$$"; trap 'rm -f "$t"' EXIT
{{ printf '#!%s\\necho ran\\n' "$(command -v sh)" >"$t" && chmod 700 "$t" && "$t"; }} 2>&1
"""


@dataclass(frozen=True)
class Need:
    """Something that the runner needs of a phone.

    Attributes:
        name: what it is.
        found: what the phone has.
        problem: why that will not do, or None.
        hint: what to do about it.
    """

    name: str
    found: str
    problem: str | None = None
    hint: str | None = None


def check_phone(link: Link, work_folder: str) -> None:
    """Refuse a phone that the runner cannot work on, before anything is sent there.

    Raises:
        DeviceError: naming the first need that is not met.
        DeviceUnreachable: the link broke.
    """
    for need in read_needs(link, work_folder):
        if need.problem is not None:
            raise DeviceError(f"this phone will not do: {need.problem}", hint=need.hint)


def read_needs(link: Link, work_folder: str) -> tuple[Need, ...]:
    """Ask a phone for all that the runner needs; one command."""
    script = _EXECUTE.format(folder=shlex.quote(work_folder))
    return judge_needs(ask_all(link, _QUESTIONS | {"executable": script}), work_folder)


def judge_needs(answers: dict[str, str], work_folder: str) -> tuple[Need, ...]:
    """The needs, from the phone's answers: `properties`, `page`, `cores` and `executable`."""
    properties = parse_properties(answers["properties"])
    return (
        _judge_abi(properties),
        _judge_version(properties),
        _judge_page(answers["page"]),
        _judge_folder(answers["executable"], work_folder),
        _judge_cores(answers["cores"]),
    )


def parse_properties(text: str) -> dict[str, str]:
    """What `getprop` prints: `[name]: [value]` lines."""
    return dict(re.findall(r"^\[([^\]\n]+)\]: \[(.*)\]$", text, re.MULTILINE))


def name_model(properties: dict[str, str]) -> str:
    """Maker and model, e.g. `Google Pixel 8`; a maker that the model names already is not repeated."""
    maker, model = (properties.get(f"ro.product.{key}", "") for key in ("manufacturer", "model"))
    return (model if model.lower().startswith(maker.lower()) else f"{maker} {model}").strip() or "unknown"


def name_system(properties: dict[str, str]) -> str:
    """Version of Android, e.g. `Android 14 (API 34)`."""
    release, sdk = (properties.get(f"ro.build.version.{key}", "unknown") for key in ("release", "sdk"))
    return f"Android {release} (API {sdk})"


def _judge_abi(properties: dict[str, str]) -> Need:
    wide = properties.get("ro.product.cpu.abilist64", "")
    narrow = properties.get("ro.product.cpu.abilist") or properties.get("ro.product.cpu.abi") or "nothing"
    found = wide or narrow
    problem = None
    if "arm64-v8a" not in wide.split(","):
        kind = "an x86 one" if "x86" in found else "a 32-bit one" if not wide else "another one"
        problem = f"it runs no arm64-v8a programs, it is {kind} (it names {found})"
    return Need("ABI", found, problem, "take a phone with a 64-bit Arm system")


def _judge_version(properties: dict[str, str]) -> Need:
    sdk, found = properties.get("ro.build.version.sdk", ""), name_system(properties)
    fits = re.fullmatch("[0-9]{1,4}", sdk) is not None and int(sdk) >= MIN_SDK
    problem = (
        None
        if fits
        else f"it runs {found}, and Android 8 (API {MIN_SDK}) is the oldest that has the commands"
    )
    return Need("Android", found, problem, "take a phone with Android 8 or newer")


def _judge_page(text: str) -> Need:
    found = re.search(r"([0-9]{1,9})( kB)?\s*$", text)
    size = int(found[1]) * (1024 if found[2] else 1) if found else None
    problem = None
    if size is not None and size > MAX_PAGE:
        problem = f"its pages of memory have {size} bytes, and the libraries are aligned to {MAX_PAGE}"
    return Need("page size", "unknown" if size is None else f"{size} bytes", problem)


def _judge_folder(text: str, work_folder: str) -> Need:
    said = text.splitlines()[-1:]
    problem = None
    if said != ["ran"]:
        words = said[0].rpartition(": ")[2][:60] if said else "missing or read-only"
        problem = f"no program may run in {work_folder}: {words} (noexec, or SELinux does not let it)"
    hint = "set `work_folder` in the profile to /data/local/tmp/edgeq; /sdcard never runs programs"
    return Need("executable folder", work_folder, problem, hint)


def _judge_cores(text: str) -> Need:
    problem = None
    if not re.search("[0-9]", text):
        problem = (
            "its shell may not read /sys/devices/system/cpu, and without that ExecuTorch's XNNPACK backend "
            "is not available"
        )
    return Need(
        "/sys/devices/system/cpu", text.split("\n")[0][:40] or "hidden", problem, "take another phone"
    )
