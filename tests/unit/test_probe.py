"""Device texts taken apart.

`BOARD` is recorded from virt-pi5. The Raspberry Pis' are written from documentation, not recorded: the layout
from Linux (arch/arm64/kernel/cpuinfo.c, arch/arm/kernel/setup.c), the part numbers from the manuals of the
cores in BCM2710A1, BCM2837, BCM2711 and BCM2712.
"""

import pytest

from edgeq.devices import probe

PI_TEXT = """processor	: {number}
BogoMIPS	: {bogomips}
Features	: {features}
CPU implementer	: 0x41
CPU architecture: 8
CPU variant	: {variant}
CPU part	: {part}
CPU revision	: {revision}

"""


def pi(features, bogomips, variant, part, revision, model):
    cores = (
        PI_TEXT.format(
            number=n, features=features, bogomips=bogomips, variant=variant, part=part, revision=revision
        )
        for n in range(4)
    )
    return (
        "".join(cores) + f"Revision	: a02082\nSerial		: 0000000000000000\nModel		: {model}\n"
    )


A53 = "fp asimd evtstrm crc32 cpuid"
A76 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
PIS = {
    "Raspberry Pi Zero 2 W Rev 1.0": (
        pi(A53, "38.40", "0x0", "0xd03", 4, "Raspberry Pi Zero 2 W Rev 1.0"),
        "Cortex-A53",
    ),
    "Raspberry Pi 3 Model B Plus Rev 1.3": (
        pi(A53, "38.40", "0x0", "0xd03", 4, "Raspberry Pi 3 Model B Plus"),
        "Cortex-A53",
    ),
    "Raspberry Pi 4 Model B Rev 1.4": (
        pi(A53, "108.00", "0x0", "0xd08", 3, "Raspberry Pi 4 Model B"),
        "Cortex-A72",
    ),
    "Raspberry Pi 5 Model B Rev 1.0": (
        pi(A76, "108.00", "0x4", "0xd0b", 1, "Raspberry Pi 5 Model B"),
        "Cortex-A76",
    ),
}

BOARD = f"""processor	: 0
BogoMIPS	: 125.00
Features	: {A76}
CPU implementer	: 0x41
CPU architecture: 8
CPU variant	: 0x4
CPU part	: 0xd0b
CPU revision	: 1
"""


@pytest.mark.parametrize("model", PIS)
def test_raspberry_pi_core_is_named_with_its_number(model):
    text, core = PIS[model]
    processors = probe.parse_cpuinfo(text)
    assert len(processors) == 4
    assert probe.name_cpu(processors) == f"4 x {core}"
    assert ("asimddp" in probe.common_features(processors)) == (core == "Cortex-A76")


def test_recorded_board_is_one_cortex_a76():
    processors = probe.parse_cpuinfo(BOARD)
    assert probe.name_cpu(processors) == "Cortex-A76"
    assert {"asimd", "asimddp"} <= set(probe.common_features(processors))


def test_clusters_are_both_named_and_only_common_features_count():
    small = PI_TEXT.format(number=0, features="fp asimd", bogomips=1, variant="0x0", part="0xd05", revision=0)
    large = PI_TEXT.format(
        number=1, features="asimd fp sve", bogomips=1, variant="0x0", part="0xd41", revision=0
    )
    processors = probe.parse_cpuinfo(small * 2 + large)
    assert probe.name_cpu(processors) == "2 x Cortex-A55 + Cortex-A78"
    assert probe.common_features(processors) == ("asimd", "fp")


def test_core_is_named_under_a_32_bit_kernel_and_on_x86():
    arm = "processor\t: 0\nmodel name\t: ARMv7 Processor rev 4 (v7l)\nFeatures\t: half thumb neon\n"
    arm += "CPU implementer\t: 0x41\nCPU architecture: 7\nCPU variant\t: 0x0\nCPU part\t: 0xd03\n"
    assert probe.name_cpu(probe.parse_cpuinfo(arm)) == "Cortex-A53"
    intel = probe.parse_cpuinfo("processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz\nflags\t\t: fpu avx2\n")
    assert (probe.name_cpu(intel), probe.common_features(intel)) == ("Some CPU @ 2.0GHz", ("avx2", "fpu"))


def test_core_that_is_not_in_the_table_is_shown_by_its_numbers():
    text = BOARD.replace("0x41", "0x61").replace("0xd0b", "0x022")
    assert probe.name_cpu(probe.parse_cpuinfo(text)) == "core 0x22 of implementer 0x61"


@pytest.mark.parametrize("text", ["", "\n\n", "nonsense", "processor\t: 0\n", ":\n:\n"])
def test_strange_cpuinfo_is_no_error(text):
    processors = probe.parse_cpuinfo(text)
    assert probe.name_cpu(processors) in ("unknown", "unknown core")
    assert probe.common_features(processors) == ()


@pytest.mark.parametrize(
    ("text", "libc"),
    [
        ("glibc 2.36", "glibc 2.36"),
        ("ldd (Debian GLIBC 2.36-9+rpt2+deb12u7) 2.36\nCopyright (C) 2022", "glibc 2.36"),
        ("ldd (Ubuntu GLIBC 2.39-0ubuntu8.3) 2.39", "glibc 2.39"),
        ("ld.so (Debian GLIBC 2.36-9+deb12u14) stable release version 2.36.\nCopyright", "glibc 2.36"),
        ("musl libc (aarch64)\nVersion 1.2.5\nDynamic Program Loader", "musl 1.2.5"),
        ("", "unknown"),
    ],
)
def test_c_library_is_found_in_what_systems_answer(text, libc):
    assert probe.parse_libc(text) == libc


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"',
            "Debian GNU/Linux 12 (bookworm)",
        ),
        ("ID=alpine\nPRETTY_NAME=Alpine\n", "Alpine"),
        ("PRETTY_NAME='Poky'", "Poky"),
        ("", "unknown"),
    ],
)
def test_system_is_named_from_os_release(text, name):
    assert probe.parse_os(text) == name


def test_memory_is_in_bytes():
    memory = probe.parse_meminfo(
        "MemTotal:         490364 kB\nMemAvailable:   460720 kB\nHugePages_Total:  0\n"
    )
    assert memory == {"MemTotal": 490364 * 1024, "MemAvailable": 460720 * 1024}


def test_free_disk_is_the_available_column_also_when_the_device_name_has_blanks():
    head = "Filesystem 1024-blocks Used Available Capacity Mounted on\n"
    text = f"{head}//a b/c   1000   400   600      40% /mnt/d 5\n"
    assert probe.parse_df(text) == 600 * 1024
    assert probe.parse_df("") is None
    assert probe.parse_df(text.replace(" 600 ", f" {'9' * 5000} ")) is None
