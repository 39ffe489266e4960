"""What a device is: cores, system, C library; read in one command and taken apart by pure functions."""

import re
import shlex
from collections import Counter

from edgeq.devices.batch import ask_all
from edgeq.devices.link import Link
from edgeq.devices.profile import DeviceProfile
from edgeq.errors import DeviceError
from edgeq.results.records import DeviceInfo
from edgeq.units import format_quantity

# (implementer, part) of MIDR_EL1 as /proc/cpuinfo shows them: Linux, arch/arm64/include/asm/cputype.h, and
# the "Main ID Register" section of each core's Technical Reference Manual.
CORES = {
    (0x41, 0xC07): "Cortex-A7",
    (0x41, 0xC08): "Cortex-A8",
    (0x41, 0xC09): "Cortex-A9",
    (0x41, 0xC0F): "Cortex-A15",
    (0x41, 0xD03): "Cortex-A53",
    (0x41, 0xD04): "Cortex-A35",
    (0x41, 0xD05): "Cortex-A55",
    (0x41, 0xD07): "Cortex-A57",
    (0x41, 0xD08): "Cortex-A72",
    (0x41, 0xD09): "Cortex-A73",
    (0x41, 0xD0A): "Cortex-A75",
    (0x41, 0xD0B): "Cortex-A76",
    (0x41, 0xD0C): "Neoverse-N1",
    (0x41, 0xD0D): "Cortex-A77",
    (0x41, 0xD0E): "Cortex-A76AE",
    (0x41, 0xD40): "Neoverse-V1",
    (0x41, 0xD41): "Cortex-A78",
    (0x41, 0xD42): "Cortex-A78AE",
    (0x41, 0xD44): "Cortex-X1",
    (0x41, 0xD46): "Cortex-A510",
    (0x41, 0xD47): "Cortex-A710",
    (0x41, 0xD48): "Cortex-X2",
    (0x41, 0xD49): "Neoverse-N2",
    (0x41, 0xD4B): "Cortex-A78C",
    (0x41, 0xD4D): "Cortex-A715",
    (0x41, 0xD4E): "Cortex-X3",
    (0x41, 0xD4F): "Neoverse-V2",
    (0x41, 0xD80): "Cortex-A520",
    (0x41, 0xD81): "Cortex-A720",
    (0x41, 0xD82): "Cortex-X4",
    (0x41, 0xD85): "Cortex-X925",
    (0x41, 0xD87): "Cortex-A725",
}

_QUESTIONS = {
    "cpuinfo": "cat /proc/cpuinfo",
    "arch": "uname -m",
    "kernel": "uname -sr",
    "os": "cat /etc/os-release || cat /usr/lib/os-release",
    "model": "cat /proc/device-tree/model || cat /sys/class/dmi/id/product_name",
    # The last one is for a system without getconf and ldd: glibc's loader tells, too.
    "libc": "getconf GNU_LIBC_VERSION || { command -v ldd >&2 && ldd --version 2>&1; }"
    " || /lib/ld-linux-*.so.* --version",
}
# Free space of the file system that holds, or is going to hold, the folder given.
_DISK = 'd={folder}; while [ ! -d "$d" ]; do d="$(dirname "$d")"; done; df -Pk "$d"'


def identify(link: Link, profile: DeviceProfile) -> DeviceInfo:
    """What the device is, once it is known to have the room that its profile asks for; one command.

    Raises:
        DeviceUnreachable: the link broke.
        DeviceError: it does not answer as Linux does, or has less free disk than the profile's limit.
    """
    disk = _DISK.format(folder=shlex.quote(profile.work_folder))
    answers = ask_all(link, _QUESTIONS | {"disk": disk})
    if not answers["arch"]:
        raise DeviceError(f"{profile.name} does not answer `uname`: it is no Linux device")
    _require_room(profile, parse_df(answers["disk"]))
    processors = parse_cpuinfo(answers["cpuinfo"])
    return DeviceInfo(
        profile=profile.name,
        kind=profile.kind,
        clock=profile.clock,
        arch=answers["arch"],
        cpu=name_cpu(processors),
        features=common_features(processors),
        model=answers["model"].split("\n")[0] or "unknown",
        os=parse_os(answers["os"]),
        kernel=answers["kernel"],
        libc=parse_libc(answers["libc"]),
    )


def _require_room(profile: DeviceProfile, free: int | None) -> None:
    need = profile.limits.free_disk
    if free is not None and free < need:
        raise DeviceError(
            f"{profile.name}: {format_quantity(free, 'B')} are free at {profile.work_folder}, "
            f"the profile asks for {format_quantity(need, 'B')}",
            hint="make room on the device, or change `work_folder` or `limits.free_disk` in the profile",
        )


def parse_cpuinfo(text: str) -> list[dict[str, str]]:
    """The processors of /proc/cpuinfo, in order, each with its fields; what belongs to none is dropped."""
    blocks = [
        {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in block.splitlines())}
        for block in re.split(r"\n\s*\n", text)
    ]
    return [block for block in blocks if "processor" in block]


def name_cpu(processors: list[dict[str, str]]) -> str:
    """The cores by name and number, e.g. `4 x Cortex-A76`, the most numerous first."""
    counts = Counter(_name_core(processor) for processor in processors)
    return (
        " + ".join(f"{count} x {name}" if count > 1 else name for name, count in counts.most_common())
        or "unknown"
    )


def common_features(processors: list[dict[str, str]]) -> tuple[str, ...]:
    """Instruction-set features that every core has (`Features` on Arm, `flags` on x86), sorted."""
    sets = [set((each.get("Features") or each.get("flags") or "").split()) for each in processors]
    return tuple(sorted(set.intersection(*sets))) if sets else ()


def parse_os(text: str) -> str:
    """PRETTY_NAME of os-release(5)."""
    found = re.search(r'^PRETTY_NAME=(["\']?)(.*)\1\s*$', text, re.MULTILINE)
    return found[2] if found else "unknown"


def parse_libc(text: str) -> str:
    """`glibc 2.36` or `musl 1.2.4`, from getconf, ldd or the loader."""
    if musl := re.search(r"musl libc.*?Version (\d[\d.]*\d)", text, re.DOTALL):
        return f"musl {musl[1]}"
    first = text.split("\n")[0]
    # The distribution's own version may stand in parentheses before: "ldd (Debian GLIBC 2.36-9) 2.36".
    found = re.findall(r"\b(\d+\.\d+)\b", re.sub(r"\(.*?\)", "", first))
    return f"glibc {found[0]}" if found else "unknown"


def parse_meminfo(text: str) -> dict[str, int]:
    """Fields of /proc/meminfo in bytes; its "kB" are 1024 bytes."""
    return {
        name: int(size) * 1024
        for name, size in re.findall(r"^(\w+):\s+([0-9]{1,15}) kB$", text, re.MULTILINE)
    }


def parse_df(text: str) -> int | None:
    """Free bytes from `df -Pk` of one file system (POSIX's format)."""
    found = re.search(r"\s\d+\s+\d+\s+([0-9]{1,15})\s+\d+%\s", text)
    return int(found[1]) * 1024 if found else None


def _name_core(processor: dict[str, str]) -> str:
    """By the Main ID Register; a 32-bit Arm kernel's "model name" says less, and x86 has nothing else."""
    try:
        implementer, part = (int(processor[f"CPU {key}"], 16) for key in ("implementer", "part"))
    except (KeyError, ValueError):
        return processor.get("model name", "unknown core")
    return CORES.get((implementer, part), f"core {part:#x} of implementer {implementer:#x}")
