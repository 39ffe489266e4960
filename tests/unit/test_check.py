"""What a check makes of the answers of devices, good and bad."""

import shutil
import subprocess
import tomllib
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from edgeq.devices import check
from edgeq.devices.probe import parse_facts
from edgeq.devices.profile import Limits, load_profile
from edgeq.runner.sdk import ARCHITECTURES, CPU_FEATURES, GLIBC

DEMANDS = check.Demands(architectures=ARCHITECTURES, glibc=GLIBC, features=CPU_FEATURES)
FOLDER = Path(__file__).parents[1] / "fixtures" / "devices"


def facts_of(name):
    return parse_facts(tomllib.loads((FOLDER / f"{name}.toml").read_text())["answers"])


PI5, PI = facts_of("raspberry-pi-5"), load_profile("raspberry-pi-5")


def test_pi_is_as_its_profile_says_and_has_the_dot_product():
    cores, features, int8 = check.judge_cores(PI, PI5, DEMANDS)
    assert {cores.state, features.state, int8.state} == {"ok"}
    assert cores.found == "4 x Cortex-A76"
    assert int8.found == "dot product (asimddp) yes, matrix product (i8mm) no, SVE (sve) no"
    assert check.judge_arch(PI5, DEMANDS).state == "ok"
    assert check.judge_glibc(PI5, DEMANDS).found == "glibc 2.36"
    assert [need.state for need in check.judge_room(PI, PI5)] == ["ok", "ok"]


def test_phone_of_three_clusters_has_i8mm_and_no_sve_on_all_cores():
    int8 = check.judge_cores(load_profile("linux-aarch64"), facts_of("phone-three-clusters"), DEMANDS)[-1]
    assert int8.found == "dot product (asimddp) yes, matrix product (i8mm) yes, SVE (sve) no"


def test_profile_of_another_board_is_noted_and_does_not_fail():
    (cores, *_) = check.judge_cores(PI, facts_of("raspberry-pi-4"), DEMANDS)
    assert cores.state == "note"
    assert cores.found == "4 x Cortex-A72; the profile says 4 x Cortex-A76"
    assert "edgeq device add" in cores.remedy


def test_32_bit_system_under_a_64_bit_kernel_is_found():
    need = check.judge_arch(facts_of("raspberry-pi-4-32-bit-system"), DEMANDS)
    assert (need.state, need.found) == ("missing", "aarch64 kernel, but a 32-bit system on it")
    assert "64-bit Raspberry Pi OS" in need.remedy


@pytest.mark.parametrize("arch", ["armv7l", "riscv64", "x"])
def test_architecture_without_a_runner_is_missing(arch):
    need = check.judge_arch(replace(PI5, arch=arch), DEMANDS)
    assert need.state == "missing"
    assert "aarch64, x86_64" in need.found


@pytest.mark.parametrize(
    ("libc", "state"),
    [
        ("glibc 2.28", "ok"),
        ("glibc 2.39", "ok"),
        ("glibc 2.100", "ok"),
        ("glibc 2.27", "missing"),
        ("glibc 2.9", "missing"),
        ("musl 1.2.5", "missing"),
        ("unknown", "missing"),
        ("glibc ", "missing"),
    ],
)
def test_c_library_is_judged_by_its_version(libc, state):
    need = check.judge_glibc(replace(PI5, libc=libc), DEMANDS)
    assert need.state == state
    assert state == "ok" or need.remedy


@pytest.mark.parametrize(
    ("page", "state"), [(4096, "ok"), (16384, "ok"), (65536, "ok"), (131072, "missing"), (None, "note")]
)
def test_pages_are_no_larger_than_the_libraries_are_aligned_to(page, state):
    assert check.judge_page(replace(PI5, page=page)).state == state


def test_core_without_what_the_runner_needs_is_missing():
    need = check.judge_cores(PI, replace(PI5, features=("fp",)), DEMANDS)[-1]
    assert (need.name, need.state) == ("CPU features", "missing")
    assert "asimd" in need.found


def test_too_little_room_names_both_numbers_and_the_key():
    profile = msgspec.structs.replace(PI, limits=Limits(free_disk=10**15, free_memory=10**15))
    disk, memory = check.judge_room(profile, PI5)
    assert (disk.state, memory.state) == ("missing", "missing")
    assert "22.53 GB" in disk.found
    assert "1000000 GB" in disk.found
    assert "limits.free_disk" in disk.remedy
    assert "limits.free_memory" in memory.remedy


def test_room_that_the_device_does_not_tell_is_noted():
    needs = check.judge_room(PI, replace(PI5, free_disk=None, memory={}))
    assert [need.state for need in needs] == ["note", "note"]


@pytest.mark.parametrize(
    ("answer", "state", "word"),
    [
        ("ran", "ok", "ran there"),
        ("sh: /x/.check.1: Permission denied", "missing", "Permission denied"),
        ("mkdir: cannot create directory: Read-only file system", "missing", "Read-only"),
        ("it belongs to another user", "missing", "another user"),
        ("", "missing", "nothing could be written"),
    ],
)
def test_work_folder_is_judged_by_what_happened_there(answer, state, word):
    need = check.judge_folder(PI, answer)
    assert need.state == state
    assert word in need.found


ANSWERS = {
    "sensor.soc": "48312",
    "sensor.throttling": "throttled=0x0",
    "sensor.clock": "1500000\n" * 4,
    "sensor.pmic": "",
    "governor": "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor:ondemand",
    "clock": "arch_sys_counter",
}


def test_readings_are_notes_with_what_mends_them():
    needs = {need.name: need for need in check.judge_readings(PI, ANSWERS)}
    assert needs["sensor soc"].found == "temperature (soc): 48312 mdegC"
    assert needs["sensor throttling"].state == "ok"
    assert (needs["sensor pmic"].state, needs["governor"].state) == ("note", "note")
    assert "raspberrypi.com" in needs["sensor pmic"].remedy
    assert needs["governor"].remedy.startswith("echo performance | sudo tee /sys/")
    assert needs["clock"].found == "wall clock (arch_sys_counter)"


def test_governor_that_holds_the_clock_is_fine():
    held = ANSWERS | {"governor": ANSWERS["governor"].replace("ondemand", "performance")}
    assert {need.name: need.state for need in check.judge_readings(PI, held)}["governor"] == "ok"


@pytest.mark.parametrize(("name", "words"), [("virt-pi5", "counts instructions"), ("emulator-a76", "none")])
def test_emulated_device_is_said_to_have_no_wall_clock(name, words):
    needs = {
        need.name: need for need in check.judge_readings(load_profile(name), {"governor": "", "clock": "tsc"})
    }
    assert words in needs["clock"].found
    assert needs["governor"].state == "ok"


def test_tools_that_a_bare_system_lacks_are_named(tmp_path):
    tools = check.list_tools(PI)
    for tool in ("cat", "df", "sha256sum"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    said = subprocess.run(
        ["/bin/sh", "-c", check.FIND_TOOLS.format(tools=" ".join(tools))],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    need = check.judge_tools(tools, said.stdout)
    assert (need.state, need.found) == ("missing", "no mktemp, no flock")
    assert "busybox" in need.remedy
    assert check.judge_tools(tools, "").state == "ok"
