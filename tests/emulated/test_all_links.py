"""One call to every kind of device: all at once, one job at a time on each, no failure costs another run."""

import json
import os
import subprocess
import sys

import pytest
from peers import run_sshd
from phone_peers.phone import run_phone

pytestmark = [pytest.mark.emulated, pytest.mark.export]


def edgeq(*arguments, environment):
    command = [sys.executable, "-m", "edgeq", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=600, env={**os.environ, **environment}
    )


def write_profile(path, *, work_folder, **link):
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in link.items())
    path.write_text(
        f'schema = 1\ndescription = "test"\nwork_folder = "{work_folder}"\n[link]\n{lines}\n',
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def devices(tmp_path_factory):
    """Profiles of a server that lets us in, a phone and a server that is not there; and what edgeq needs."""
    folder = tmp_path_factory.mktemp("devices")
    (folder / "sshd").mkdir()
    (folder / "phone").mkdir()
    with run_sshd(folder / "sshd") as server, run_phone(folder / "phone") as phone:
        target = server.target
        login = {"type": "ssh", "host": target.host, "key": str(target.key)}
        login["known_hosts"] = str(target.known_hosts)
        profiles = {
            "server": write_profile(
                folder / "server.toml", work_folder=f"{folder}/work", port=target.port, **login
            ),
            "phone": write_profile(
                folder / "phone.toml", work_folder="/data/local/tmp/edgeq", type="adb", serial=phone.serial
            ),
            "absent": write_profile(folder / "absent.toml", work_folder=f"{folder}/none", port=1, **login),
        }
        yield profiles, {"ADB": str(phone.adb), "EDGEQ_STORE": str(folder / "runs.sqlite")}


@pytest.fixture(scope="module")
def artifact(tmp_path_factory, devices):
    folder = tmp_path_factory.mktemp("artifacts")
    done = edgeq("export", "digits", "--recipe", "int8", "--out", folder, environment=devices[1])
    assert done.returncode == 0, done.stderr
    return folder / "digits.int8"


def test_every_kind_of_device_measures_in_one_call_and_one_that_is_absent_costs_no_other(
    artifact, devices, tmp_path
):
    profiles, environment = devices
    names = ["virt-pi5", "emulator-a76", "local", *profiles.values()]
    chosen = [word for name in names for word in ("--device", name)]
    report = tmp_path / "all.json"
    done = edgeq("bench", artifact, *chosen, "--json", report, environment=environment)
    runs = {run["artifact"]["name"] + "@" + ((run["device"] or {}).get("profile") or "absent"): run
            for run in json.loads(report.read_text())["runs"]}  # fmt: skip
    assert set(runs) == {
        f"digits@{name}" for name in ("virt-pi5", "emulator-a76", "local", "server", "phone", "absent")
    }, done.stderr
    absent = runs.pop("digits@absent")
    assert absent["status"] == "failed"
    assert absent["error"]["kind"] == "DeviceUnreachable"
    assert done.returncode == 4, done.stderr
    for name, run in runs.items():
        assert run["status"] == "ok", (name, run["error"])
        assert run["outputs"]["within"] is True, name
    clocks = {name.partition("@")[2]: run["device"]["clock"] for name, run in runs.items()}
    assert clocks == {
        "virt-pi5": "instructions", "emulator-a76": "none", "local": "wall", "server": "wall", "phone": "wall"
    }  # fmt: skip


def test_no_record_says_where_a_device_is_or_whose(artifact, devices, tmp_path):
    profiles, environment = devices
    chosen = [word for name in profiles.values() for word in ("--device", name)]
    edgeq("bench", artifact, *chosen, "--json", tmp_path / "all.json", environment=environment)
    text = (tmp_path / "all.json").read_text()
    for private in ("127.0.0.1", str(profiles["server"].parent)):
        assert private not in text
