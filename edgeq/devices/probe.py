"""What a device is: cores, system, C library; read in one command and taken apart by pure functions."""

import re
import shlex
from collections import Counter
from dataclasses import dataclass

from edgeq.devices.adb.phone import LIBC, name_model, name_system, parse_properties
from edgeq.devices.batch import ask_all
from edgeq.devices.cores import name_core
from edgeq.devices.emulator import answer_for_core
from edgeq.devices.link import Link
from edgeq.devices.profile import DeviceProfile, EmulatorSpec
from edgeq.errors import DeviceError
from edgeq.results.records import DeviceInfo
from edgeq.units import format_quantity

_CPU = "/sys/devices/system/cpu"
_QUESTIONS = {
    "cpuinfo": "cat /proc/cpuinfo",
    "clocks": f"grep -H . {_CPU}/cpu[0-9]*/cpufreq/cpuinfo_max_freq",
    "arch": "uname -m",
    "bits": "getconf LONG_BIT",
    "page": "getconf PAGE_SIZE || grep -m 1 KernelPageSize /proc/self/smaps",
    "kernel": "uname -sr",
    "os": "cat /etc/os-release || cat /usr/lib/os-release",
    "model": "cat /proc/device-tree/model || cat /sys/class/dmi/id/product_name",
    # The last one is for a system without getconf and ldd: glibc's loader tells, too.
    "libc": "getconf GNU_LIBC_VERSION || { command -v ldd >&2 && ldd --version 2>&1; }"
    " || /lib/ld-linux-*.so.* --version",
    "memory": "cat /proc/meminfo",
    "properties": "getprop",
}
# Free space of the file system that holds, or is going to hold, the folder given.
_DISK = 'd={folder}; while [ ! -d "$d" ]; do d="$(dirname "$d")"; done; df -Pk "$d"'


@dataclass(frozen=True)
class Cluster:
    """Cores of one kind: numbers in Linux, highest clock in Hz, features beside those of all cores."""

    name: str
    cpus: tuple[int, ...]
    max_hz: int | None
    features: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """What a device answered; what it did not tell is None or `unknown`.

    Attributes:
        cpu: its cores by name and number.
        features: instruction-set features that every core has.
        bits: word size of its programs, which a 64-bit kernel does not settle.
        page: bytes in a page of memory.
        memory: fields of /proc/meminfo, bytes.
        free_disk: bytes free in the file system of the work folder.
    """

    arch: str
    cpu: str
    clusters: tuple[Cluster, ...]
    features: tuple[str, ...]
    bits: int | None
    page: int | None
    kernel: str
    os: str
    model: str
    libc: str
    memory: dict[str, int]
    free_disk: int | None


def read_facts(link: Link, profile: DeviceProfile) -> Facts:
    """Ask the device what it is; one command.

    Raises:
        DeviceUnreachable: the link broke.
        DeviceError: it does not answer as Linux does.
    """
    disk = _DISK.format(folder=shlex.quote(profile.work_folder))
    answers = ask_all(link, _QUESTIONS | {"disk": disk})
    if isinstance(profile.link, EmulatorSpec):
        answers |= answer_for_core(profile.link)
    if not answers["arch"]:
        raise DeviceError(f"{profile.name} does not answer `uname`: it is no Linux device")
    return parse_facts(answers)


def identify(link: Link, profile: DeviceProfile) -> DeviceInfo:
    """What the device is, once it is known to have the room that its profile asks for; one command.

    Raises:
        DeviceUnreachable: the link broke.
        DeviceError: it does not answer as Linux does, or has less free disk than the profile's limit.
    """
    facts = read_facts(link, profile)
    _require_room(profile, facts.free_disk)
    return DeviceInfo(
        profile=profile.name,
        kind=profile.kind,
        clock=profile.clock,
        arch=facts.arch,
        cpu=facts.cpu,
        features=facts.features,
        model=facts.model,
        os=facts.os,
        kernel=facts.kernel,
        libc=facts.libc,
    )


def _require_room(profile: DeviceProfile, free: int | None) -> None:
    need = profile.limits.free_disk
    if free is not None and free < need:
        raise DeviceError(
            f"{profile.name}: {format_quantity(free, 'B')} are free at {profile.work_folder}, "
            f"the profile asks for {format_quantity(need, 'B')}",
            hint="make room on the device, or change `work_folder` or `limits.free_disk` in the profile",
        )


def parse_facts(answers: dict[str, str]) -> Facts:
    """The answers to all questions, taken apart; any of them may be empty or nonsense."""
    processors = parse_cpuinfo(answers["cpuinfo"])
    android = parse_properties(answers["properties"])
    return Facts(
        arch=answers["arch"],
        cpu=name_cpu(processors),
        clusters=parse_clusters(processors, parse_max_clocks(answers["clocks"])),
        features=common_features(processors),
        bits=parse_bytes(answers["bits"]),
        page=parse_bytes(answers["page"]),
        kernel=answers["kernel"],
        os=name_system(android) if android else parse_os(answers["os"]),
        model=name_model(android) if android else answers["model"].split("\n")[0] or "unknown",
        libc=LIBC if android else parse_libc(answers["libc"]),
        memory=parse_meminfo(answers["memory"]),
        free_disk=parse_df(answers["disk"]),
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
    sets = [_features(each) for each in processors]
    return tuple(sorted(set.intersection(*sets))) if sets else ()


def parse_max_clocks(text: str) -> dict[int, int]:
    """Highest clock in Hz by core number, from `path:kHz` lines of cpufreq."""
    found = re.findall(r"/cpu([0-9]{1,4})/cpufreq/cpuinfo_max_freq:([0-9]{1,9})$", text, re.MULTILINE)
    return {int(cpu): int(khz) * 1000 for cpu, khz in found}


def parse_clusters(processors: list[dict[str, str]], max_hz: dict[int, int]) -> tuple[Cluster, ...]:
    """Cores that are alike in name and highest clock, in the order of their lowest numbers."""
    common = set(common_features(processors))
    groups: dict[tuple[str, int | None], list[int]] = {}
    extra: dict[tuple[str, int | None], tuple[str, ...]] = {}
    for processor in processors:
        if not re.fullmatch("[0-9]{1,4}", processor["processor"]):
            continue
        number = int(processor["processor"])
        kind = (_name_core(processor), max_hz.get(number))
        groups.setdefault(kind, []).append(number)
        extra[kind] = tuple(sorted(_features(processor) - common))
    return tuple(
        Cluster(name, tuple(sorted(cpus)), clock, extra[name, clock])
        for (name, clock), cpus in sorted(groups.items(), key=lambda each: min(each[1]))
    )


def parse_bytes(text: str) -> int | None:
    """A number of getconf, or one with "kB" (1024 bytes) of /proc."""
    found = re.search(r"(?:^|:)\s*([0-9]{1,9})( kB)?$", text)
    return int(found[1]) * (1024 if found[2] else 1) if found else None


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


def _features(processor: dict[str, str]) -> set[str]:
    return set((processor.get("Features") or processor.get("flags") or "").split())


def _name_core(processor: dict[str, str]) -> str:
    """By the Main ID Register; a 32-bit Arm kernel's "model name" says less, and x86 has nothing else."""
    try:
        implementer, part = (int(processor[f"CPU {key}"], 16) for key in ("implementer", "part"))
    except (KeyError, ValueError):
        return processor.get("model name", "unknown core")
    return name_core(implementer, part)
