"""arm64 programs on this machine under qemu-user, with the instructions of a chosen core.

For machines where nothing else is to be had. Outputs are right, and an instruction that the core does not
have ends the program with SIGILL. Time means nothing here, and neither do this machine's clocks and
temperatures.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from edgeq.cache import cached, key_of
from edgeq.devices.cores import feature_names
from edgeq.devices.link import CommandResult, Link, Progress, Running
from edgeq.devices.local import LocalLink
from edgeq.devices.profile import EmulatorSpec, host_arch
from edgeq.errors import DeviceError, HostError

COMPILER = "aarch64-linux-gnu-gcc"
# Debian has it twice; either will do.
QEMU, _QEMU_STATIC = "qemu-aarch64", "qemu-aarch64-static"
PACKAGES = {QEMU: "qemu-user", COMPILER: "g++-aarch64-linux-gnu"}
_LOADER = "ld-linux-aarch64.so.1"
_SECONDS = 60.0

# Main ID Register of QEMU's cores: QEMU, target/arm (aarch64_a53_initfn and its like). XNNPACK picks its
# kernels by it, through /proc/cpuinfo; QEMU before 8.1 shows a program this machine's own.
MIDR = {
    "cortex-a35": 0x411FD040,
    "cortex-a53": 0x410FD034,
    "cortex-a55": 0x412FD050,
    "cortex-a57": 0x411FD070,
    "cortex-a72": 0x410FD083,
    "cortex-a76": 0x414FD0B1,
    "neoverse-n1": 0x414FD0C1,
}

# An ELF file for 64-bit little-endian Arm (e_machine 183): ELF for the Arm 64-bit Architecture.
_ELF = re.compile(rb"\x7fELF\x02\x01.{12}\xb7\x00", re.DOTALL)

# A program that dies leaves no core file, which would be QEMU's.
_START = 'ulimit -c 0; exec "$@"'


class EmulatorLink:
    """A `Link` to this machine on which arm64 programs run under qemu-user, and others as they do here."""

    def __init__(self, qemu: Sequence[str], here: Link) -> None:
        """Put QEMU between a link to this machine and arm64 programs.

        Args:
            qemu: QEMU with its options.
            here: the link to this machine.
        """
        self._qemu = tuple(qemu)
        self._here = here

    def run(
        self, argv: Sequence[str], *, timeout: float, environment: Mapping[str, str] | None = None
    ) -> CommandResult:
        """See `Link.run`."""
        settings = dict(environment or {})
        command = self._wrap(argv, settings)
        done = self._here.run(command, timeout=timeout, environment=settings)
        return CommandResult(
            argv=tuple(argv), exit_code=done.exit_code, stdout=done.stdout, stderr=done.stderr
        )

    def start(self, argv: Sequence[str]) -> Running:
        """See `Link.start`."""
        return self._here.start(self._wrap(argv, {}))

    def push(self, local: Path, remote: str, *, timeout: float, progress: Progress | None = None) -> None:
        """See `Link.push`."""
        self._here.push(local, remote, timeout=timeout, progress=progress)

    def pull(self, remote: str, local: Path, *, timeout: float, progress: Progress | None = None) -> None:
        """See `Link.pull`."""
        self._here.pull(remote, local, timeout=timeout, progress=progress)

    def close(self) -> None:
        """See `Link.close`."""
        self._here.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _wrap(self, argv: Sequence[str], settings: dict[str, str]) -> list[str]:
        """`argv` under QEMU if it is an arm64 program.

        Takes the loader's variables (LD_...) out of `settings`: this machine's loader would obey them when it
        starts QEMU, so that QEMU is told to set them for the program only.
        """
        if not is_arm64_program(argv[0]):
            return list(argv)
        for_loader = [name for name in settings if name.startswith("LD_")]
        if commas := [name for name in for_loader if "," in settings[name]]:
            raise DeviceError(
                f"qemu-user cannot set {commas[0]}, since its value has a comma: {settings[commas[0]]}",
                hint="choose a `work_folder` without one in the device profile",
            )
        given = [word for name in for_loader for word in ("-E", f"{name}={settings.pop(name)}")]
        return ["sh", "-c", _START, "sh", *self._qemu, *given, *argv]


def is_arm64_program(name: str) -> bool:
    """Whether `name` is the path of an arm64 program, or a name that PATH leads to one for."""
    path = shutil.which(name)
    try:
        with open(path, "rb") as file:  # type: ignore[arg-type]  # noqa: PTH123
            return _ELF.match(file.read(20)) is not None
    except (OSError, TypeError):
        return False


def find_lacking() -> list[str]:
    """Programs that an emulated core needs and that are not on this machine; `PACKAGES` says where from."""
    needed = [QEMU] if host_arch() == "aarch64" else [QEMU, COMPILER]
    return [tool for tool in needed if _find(tool) is None]


def open_emulator(spec: EmulatorSpec, **_: object) -> EmulatorLink:
    """The link to this machine with the core of `spec`.

    Raises:
        HostError: qemu-user or the cross toolchain is missing, or QEMU knows no such core.
    """
    sysroot = _find_sysroot(spec.cpu)
    return EmulatorLink(_qemu(spec.cpu, sysroot), LocalLink())


def answer_for_core(spec: EmulatorSpec) -> dict[str, str]:
    """What a device with that core would answer to the questions of `probe`, where this machine would not.

    Raises:
        HostError: as `open_emulator`.
    """
    sysroot = _find_sysroot(spec.cpu)
    version = _read_version().removeprefix("qemu-aarch64 version ")
    return {
        "arch": "aarch64",
        "bits": "64",
        "clocks": "",
        "cpuinfo": (sysroot / "proc" / "cpuinfo").read_text(),
        "libc": _ask([*_qemu(spec.cpu, sysroot), str(_loader(sysroot)), "--version"]),
        "model": f"qemu-user {version.split(' ')[0]}, {spec.cpu}",
        "page": str(_read_auxiliary(spec.cpu, sysroot)[6]),
    }


def write_cpuinfo(cpu: str, hwcap: int, hwcap2: int, count: int) -> str:
    """/proc/cpuinfo of `count` such cores as arm64 Linux writes it (arch/arm64/kernel/cpuinfo.c).

    A core whose identity is not known has none in it.
    """
    midr = MIDR.get(cpu.split(",")[0])
    identity = ""
    if midr is not None:
        identity = (
            f"CPU implementer\t: 0x{midr >> 24:02x}\nCPU architecture: 8\n"
            f"CPU variant\t: 0x{midr >> 20 & 0xF:x}\nCPU part\t: 0x{midr >> 4 & 0xFFF:03x}\n"
            f"CPU revision\t: {midr & 0xF}\n"
        )
    features = " ".join(feature_names(hwcap, hwcap2))
    return "".join(
        f"processor\t: {number}\nBogoMIPS\t: 125.00\nFeatures\t: {features}\n{identity}\n"
        for number in range(count)
    )


def parse_auxiliary(text: str) -> dict[int, int]:
    """Entries of the auxiliary vector (getauxval(3)) from `ld.so --list-diagnostics`."""
    types = dict(re.findall(r"^auxv\[(0x[0-9a-f]+)\]\.a_type=(0x[0-9a-f]+)$", text, re.MULTILINE))
    values = dict(re.findall(r"^auxv\[(0x[0-9a-f]+)\]\.a_val=(0x[0-9a-f]+)$", text, re.MULTILINE))
    return {int(kind, 16): int(values[index], 16) for index, kind in types.items() if index in values}


def _find_sysroot(cpu: str) -> Path:
    """A folder that QEMU looks in before the root folder: arm64 libraries, and the core's /proc/cpuinfo."""
    for tool in find_lacking():
        raise HostError(
            f"an emulated core needs {tool}, which is not on this machine",
            hint=f"apt-get install --no-install-recommends {PACKAGES[tool]}",
        )
    libraries = _find_libraries()
    count = os.cpu_count() or 1
    qemu = _read_version()
    facts = {
        "layout": 1,
        "cpu": cpu,
        "libraries": str(libraries),
        "count": count,
        "qemu": qemu,
        "midr": MIDR,
    }

    def make(folder: Path) -> None:
        (folder / "lib").symlink_to(libraries)
        (folder / "proc").mkdir()
        bits = _read_auxiliary(cpu, folder)
        (folder / "proc" / "cpuinfo").write_text(write_cpuinfo(cpu, bits[16], bits.get(26, 0), count))

    folder, _ = cached("sysroot", key_of(facts), make)
    return folder


def _find_libraries() -> Path:
    """The folder of the arm64 C library: the cross toolchain's, or this machine's own on Arm."""
    if host_arch() == "aarch64":
        return Path("/lib")
    found = Path(_ask([COMPILER, "-print-file-name=libc.so.6"]).strip())
    if not found.is_absolute():
        raise HostError(
            f"{COMPILER} has no C library",
            hint="apt-get install --no-install-recommends libc6-dev-arm64-cross",
        )
    return found.resolve().parent


def _loader(sysroot: Path) -> Path:
    return sysroot / "lib" / _LOADER


def _qemu(cpu: str, sysroot: Path) -> list[str]:
    return [_find(QEMU) or QEMU, "-cpu", cpu, "-L", str(sysroot)]


def _find(tool: str) -> str | None:
    return shutil.which(tool) or (shutil.which(_QEMU_STATIC) if tool == QEMU else None)


def _read_version() -> str:
    return _ask([_find(QEMU) or QEMU, "--version"]).split("\n")[0]


def _read_auxiliary(cpu: str, sysroot: Path) -> dict[int, int]:
    """What the kernel would tell a program about that core: AT_HWCAP (16), AT_HWCAP2 (26), AT_PAGESZ (6)."""
    found = parse_auxiliary(_ask([*_qemu(cpu, sysroot), str(_loader(sysroot)), "--list-diagnostics"]))
    if not {6, 16} <= found.keys():
        raise HostError(f"glibc's loader tells nothing of {cpu}", hint="it takes glibc 2.33 or newer")
    return found


def _ask(command: list[str]) -> str:
    """What a program of this machine prints."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(f"cannot run {command[0]}: {error}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-300:]
        raise HostError(f"{command[0]} refused: {said}", hint=f"`{QEMU} -cpu help` lists the cores it knows")
    return done.stdout
