"""Arm cores and instruction-set features by name: the kernel's names, and the numbers that stand for them."""

import re

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

# Names of the bits of AT_HWCAP and AT_HWCAP2, lowest first, which are the words of "Features" in
# /proc/cpuinfo: Linux, arch/arm64/kernel/cpuinfo.c (hwcap_str).
HWCAP = (
    *("fp", "asimd", "evtstrm", "aes", "pmull", "sha1", "sha2", "crc32", "atomics", "fphp", "asimdhp"),
    *("cpuid", "asimdrdm", "jscvt", "fcma", "lrcpc", "dcpop", "sha3", "sm3", "sm4", "asimddp", "sha512"),
    *("sve", "asimdfhm", "dit", "uscat", "ilrcpc", "flagm", "ssbs", "sb", "paca", "pacg"),
)
HWCAP2 = (
    *("dcpodp", "sve2", "sveaes", "svepmull", "svebitperm", "svesha3", "svesm4", "flagm2", "frint"),
    *("svei8mm", "svef32mm", "svef64mm", "svebf16", "i8mm", "bf16", "dgh", "rng", "bti", "mte", "ecv"),
    *("afp", "rpres", "mte3", "sme", "smei16i64", "smef64f64", "smei8i32", "smef16f32", "smeb16f32"),
    *("smef32f32", "smefa64", "wfxt", "ebf16", "sveebf16", "cssc", "rprfm", "sve2p1", "sme2", "sme2p1"),
    *("smei16i32", "smebi32i32", "smeb16b16", "smef16f16", "mops", "hbc"),
)
FEATURES = frozenset({*HWCAP, *HWCAP2})

_BY_NUMBERS = re.compile("core 0x[0-9a-f]{1,3} of implementer 0x[0-9a-f]{1,2}")


def name_core(implementer: int, part: int) -> str:
    """The core's name, or its numbers when it is not in the table."""
    return CORES.get((implementer, part), f"core {part:#x} of implementer {implementer:#x}")


def is_core_name(name: str) -> bool:
    """Whether `name_core` gives such a name."""
    return name in CORES.values() or _BY_NUMBERS.fullmatch(name) is not None


def feature_names(hwcap: int, hwcap2: int) -> tuple[str, ...]:
    """Features by the bits of the auxiliary vector, in the kernel's order."""
    bits = ((HWCAP, hwcap), (HWCAP2, hwcap2))
    return tuple(name for names, value in bits for bit, name in enumerate(names) if value >> bit & 1)
