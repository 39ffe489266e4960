"""The emulated core without QEMU: its /proc/cpuinfo, its answers, and which programs are whose."""

import os
import subprocess
import sys

import pytest

from edgeq.devices import emulator, probe
from edgeq.devices.emulator import EmulatorLink, is_arm64_program, open_emulator, parse_auxiliary
from edgeq.devices.link import CommandResult
from edgeq.devices.profile import EmulatorSpec, load_profile
from edgeq.errors import DeviceError, HostError

ELF = b"\x7fELF\x02\x01\x01\x00" + b"\0" * 8 + b"\x02\x00\xb7\x00"


class Here:
    """Notes what it is given instead of running it."""

    def run(self, argv, *, timeout, environment=None):
        self.given = (list(argv), dict(environment or {}))
        return CommandResult(argv=tuple(argv), exit_code=0, stdout=b"", stderr=b"")


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program"
    path.write_bytes(ELF + b"\0" * 100)
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("name", ["emulator-a53", "emulator-a72", "emulator-a76"])
def test_shipped_core_has_an_identity_that_is_recognised(name):
    profile = load_profile(name)
    text = emulator.write_cpuinfo(profile.link.cpu, 1 << 1, 0, 3)
    processors = probe.parse_cpuinfo(text)
    core = f"Cortex-A{profile.link.cpu.rpartition('-a')[2]}"
    assert probe.name_cpu(processors) == f"3 x {core}"
    assert probe.common_features(processors) == ("asimd",)


def test_core_without_a_known_identity_shows_its_features_only():
    processors = probe.parse_cpuinfo(emulator.write_cpuinfo("max,sve=off", 1 << 1, 1 << 13, 1))
    assert probe.name_cpu(processors) == "unknown core"
    assert probe.common_features(processors) == ("asimd", "i8mm")


def test_auxiliary_vector_is_read_from_the_loaders_words():
    text = "x=1\nauxv[0xb].a_type=0x10\nauxv[0xb].a_val=0x8fb\nauxv[0x3].a_type=0x6\nauxv[0x3].a_val=0x1000\n"
    assert parse_auxiliary(text) == {16: 0x8FB, 6: 4096}
    assert parse_auxiliary("auxv[0x1].a_type=0x10\n") == {}


def test_program_is_told_by_its_header(program, tmp_path):
    assert is_arm64_program(program)
    assert not is_arm64_program("sh")
    assert not is_arm64_program(sys.executable) or os.uname().machine == "aarch64"
    assert not is_arm64_program(str(tmp_path / "missing"))
    assert not is_arm64_program(str(tmp_path))


def test_arm64_program_runs_under_qemu_with_its_loaders_variables(program):
    here = Here()
    done = EmulatorLink(["qemu", "-cpu", "x"], here).run(
        [program, "a b"], timeout=1, environment={"LD_LIBRARY_PATH": "/lib", "MODE": "1,2"}
    )
    argv, environment = here.given
    assert argv[-7:] == ["qemu", "-cpu", "x", "-E", "LD_LIBRARY_PATH=/lib", program, "a b"]
    assert environment == {"MODE": "1,2"}
    assert done.argv == (program, "a b")


def test_other_program_runs_as_it_is():
    here = Here()
    EmulatorLink(["qemu"], here).run(["ls", "-l"], timeout=1, environment={"LD_LIBRARY_PATH": "/lib"})
    assert here.given == (["ls", "-l"], {"LD_LIBRARY_PATH": "/lib"})


def test_value_that_qemu_would_cut_is_refused(program):
    with pytest.raises(DeviceError, match="comma"):
        EmulatorLink(["qemu"], Here()).run([program], timeout=1, environment={"LD_LIBRARY_PATH": "/a,b"})


@pytest.mark.parametrize(("lacking", "package"), emulator.PACKAGES.items())
def test_missing_tool_is_named_with_its_package(lacking, package, monkeypatch):
    here = {"qemu-aarch64", "qemu-aarch64-static", emulator.COMPILER} - {lacking, f"{lacking}-static"}
    monkeypatch.setattr(emulator.shutil, "which", lambda name: name if name in here else None)
    monkeypatch.setattr(emulator, "host_arch", lambda: "x86_64")
    with pytest.raises(HostError, match=lacking) as caught:
        open_emulator(EmulatorSpec(cpu="cortex-a76"))
    assert package in caught.value.hint


def test_machine_without_any_tool_is_told_by_the_command(tmp_path):
    env = {"PATH": str(tmp_path), "EDGEQ_CACHE": str(tmp_path)}
    command = [sys.executable, "-m", "edgeq", "device", "check", "emulator-a76"]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60, check=False)
    assert done.returncode == 2
    assert "apt-get install --no-install-recommends qemu-user" in done.stdout
    assert "Traceback" not in done.stderr
