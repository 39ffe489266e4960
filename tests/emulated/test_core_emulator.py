"""qemu-user for real: what an arm64 program sees, how it dies, and a whole run on it."""

import subprocess
from pathlib import Path

import pytest

from edgeq.devices import emulator
from edgeq.devices.conditions import read_conditions
from edgeq.devices.opening import open_device
from edgeq.devices.probe import identify, read_facts
from edgeq.devices.profile import EmulatorSpec, load_profile
from edgeq.errors import HostError, RunnerError
from edgeq.runner.build import RunnerBundle
from edgeq.runner.job import Job
from edgeq.runner.launch import Launcher

pytestmark = pytest.mark.emulated

# Shows what it was given and sees, then uses the dot product, which Armv8.0 cores do not have.
SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
int main(int count, char **argument) {
  char line[4096];
  FILE *file = fopen("/proc/cpuinfo", "r");
  size_t size = fread(line, 1, sizeof line - 1, file);
  line[size] = 0;
  printf("%s|%s|%s\n", line, count > 1 ? argument[1] : "", getenv("LD_LIBRARY_PATH"));
  fflush(stdout);
  __asm__ volatile(".arch armv8.2-a+dotprod\n sdot v0.4s, v1.16b, v2.16b" ::: "v0");
  puts("dot product");
  return 7;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arm64")
    (folder / "program.c").write_text(SOURCE)
    command = ["aarch64-linux-gnu-gcc", "-O1", "-o", folder / "program", folder / "program.c"]
    subprocess.run(command, check=True)
    return str(folder / "program")


@pytest.mark.parametrize(
    ("name", "part", "code"),
    [("emulator-a53", "0xd03", 132), ("emulator-a72", "0xd08", 132), ("emulator-a76", "0xd0b", 7)],
)
def test_program_sees_the_core_and_dies_of_an_instruction_that_it_lacks(program, name, part, code, tmp_path):
    with open_device(load_profile(name)) as link:
        done = link.run([program, "a b"], timeout=60, environment={"LD_LIBRARY_PATH": str(tmp_path)})
    shown, argument, path = done.stdout.decode().split("|")
    assert f"CPU part\t: {part}" in shown
    assert (argument, path.split("\n")[0]) == ("a b", str(tmp_path))
    assert done.exit_code == code
    assert ("Illegal instruction" in done.stderr.decode()) == (code == 132)


def test_device_is_an_arm64_one_and_the_machines_sensors_are_not_its_own():
    profile = load_profile("emulator-a76")
    with open_device(profile) as link:
        info, facts = identify(link, profile), read_facts(link, profile)
        readings = read_conditions(link, profile)
    assert (info.arch, info.clock, info.kind) == ("aarch64", "none", "emulated")
    assert "Cortex-A76" in info.cpu
    assert info.features == tuple(sorted(profile.features))
    assert info.libc.startswith("glibc 2.")
    assert "qemu-user" in info.model
    assert (facts.bits, facts.page) == (64, 4096)
    for name in ("governor", "clock", "temperature", "throttling"):
        assert "not the device's" in readings[name].missing


IDENTITY = r"""
#include <stdio.h>
int main(void) {
  unsigned long value;
  __asm__("mrs %0, midr_el1" : "=r"(value));
  printf("%#lx\n", value);
}
"""


@pytest.mark.parametrize("cpu", emulator.MIDR)
def test_core_tells_a_program_the_identity_that_its_cpuinfo_has(cpu, tmp_path):
    (tmp_path / "identity.c").write_text(IDENTITY)
    command = ["aarch64-linux-gnu-gcc", "-o", tmp_path / "identity", tmp_path / "identity.c"]
    subprocess.run(command, check=True)
    profile = load_profile("emulator-a76")
    try:
        link = open_device(type(profile)(schema=1, description="x", link=EmulatorSpec(cpu=cpu)))
    except HostError as error:
        pytest.skip(error.message)  # this QEMU does not know that core
    with link:
        done = link.run([str(tmp_path / "identity")], timeout=60)
    assert int(done.stdout, 16) == emulator.MIDR[cpu]


def test_core_that_qemu_does_not_know_is_refused_before_anything_runs():
    profile = load_profile("emulator-a76")
    with pytest.raises(HostError, match=r"cortex-z9.*") as caught:
        open_device(type(profile)(schema=1, description="x", link=EmulatorSpec(cpu="cortex-z9")))
    assert "-cpu help" in caught.value.hint


def test_runner_that_dies_so_is_told_with_what_to_look_at(program, tmp_path):
    bundle = RunnerBundle(
        executorch="1.5.1", arch="aarch64", glibc="2.28", runner=Path(program), libraries=(), key="test"
    )
    with (
        open_device(load_profile("emulator-a53")) as link,
        Launcher(link, bundle, str(tmp_path / "work")) as launcher,
        pytest.raises(RunnerError, match="ended by SIGILL in the latency pass") as caught,
    ):
        launcher.run(Job(kind="latency", program="none", inputs="none"))
    assert "instruction that this core does not have" in caught.value.hint
    assert not list(tmp_path.rglob("*.core"))
