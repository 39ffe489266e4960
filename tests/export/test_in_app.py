"""The runner as an app: the real adb and adbd, and a stand-in for Android's package and activity managers.

The app's plain Java runs on this machine's Java, and the native runner in it on this machine's processor: its
outputs are ExecuTorch's, its times say nothing about any phone.
"""

import json
import signal

import pytest
from phone_peers.apps import add_apps, make_apk
from phone_peers.phone import run_phone
from test_phone_bench import ROOT, await_process, start_bench

QUICK = ("--iterations", 3, "--warmup", 1)


@pytest.fixture(scope="module")
def phone(tmp_path_factory):
    with run_phone(tmp_path_factory.mktemp("phone")) as running:
        yield running


@pytest.fixture(scope="module")
def told(phone):
    return add_apps(phone)


@pytest.fixture(scope="module")
def apk(tmp_path_factory):
    return make_apk(tmp_path_factory.mktemp("apk") / "runner.apk")


@pytest.fixture
def bench(phone, told, digits_int8, tmp_path):
    """Bench in the app; the exit code, what was said, and the run."""

    def run(apk, *arguments):
        process = start_bench(phone, digits_int8, tmp_path, "--in-app", "--apk", apk, *QUICK, *arguments)
        _, said = process.communicate(timeout=300)
        report = tmp_path / "report.json"
        (found,) = json.loads(report.read_text())["runs"] if report.exists() else (None,)
        return process.returncode, said, found

    yield run
    (told / "refusal").unlink(missing_ok=True)
    phone.set_properties({})


def is_as_found(phone):
    return not list(phone.path("/data/app").glob("*")) and not list(phone.path(ROOT).glob("run.*"))


def test_bench_in_the_app_gives_the_outputs_of_the_reference_and_leaves_the_phone_as_found(phone, bench, apk):
    code, said, run = bench(apk, "--measure", "latency,memory,operators,outputs,power")
    assert code == 0, said
    assert run["status"] == "ok"
    assert run["outputs"]["within"] is True
    assert run["spec"]["in_app"] is True
    latency = next(s for s in run["series"] if (s["name"], s["phase"]) == ("latency", "measured"))
    assert len(latency["values"]) == 3
    assert "in an Android app" in latency["source"]
    assert "empty" in {series["name"] for series in run["series"]}
    assert run["conditions"]["before"]["app.thermal_status"]["missing"] == "Android did not tell the app"
    assert "event trace" in run["operators"]["missing"]
    assert "cannot take a file out of the page cache" in run["not_measured"]["load.cold"]
    assert "may not read" in run["not_measured"]["power"]
    assert "does not tell" in run["memory"]["arena"]["missing"]
    assert run["memory"]["rss_peak"] > 0
    assert run["device"]["os"] == "Android 14 (API 34)"
    assert is_as_found(phone)


def test_a_crash_of_the_app_is_named_and_the_app_goes(phone, bench, apk, told):
    shim = told.parent / "bin/run-as"
    script = shim.read_text()
    shim.write_text(script.replace('exec "$@"', 'touch crash && exec "$@"'))
    try:
        code, said, run = bench(apk)
    finally:
        shim.write_text(script)
    assert code == 5
    assert "the app crashed in the latency pass: Process crashed." in said
    assert "logcat" in run["error"]["hint"]
    assert is_as_found(phone)


def test_an_app_that_a_killed_edgeq_left_is_replaced_and_goes(phone, bench, apk):
    phone.call("push", str(apk), "/data/local/tmp/left.apk")
    installed = phone.call("shell", f"cmd package install -S {apk.stat().st_size} </data/local/tmp/left.apk")
    assert "Success" in installed
    code, said, _ = bench(apk, "--measure", "latency")
    assert code == 0, said
    assert is_as_found(phone)


def test_ctrl_c_ends_the_app_and_takes_it_away(phone, told, apk, digits_int8, tmp_path):
    arguments = ("--in-app", "--apk", apk, "--iterations", 1_000_000, "--measure", "latency")
    process = start_bench(phone, digits_int8, tmp_path, *arguments)
    await_process(phone, "edgeq-runner")  # that of the stand-in: the app is in an inference
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert is_as_found(phone)
    assert "java" not in phone.processes().values()


def test_no_room_in_the_apps_storage_is_named_and_the_app_goes(phone, bench, apk):
    phone.path("/data/user/0").mkdir(parents=True, exist_ok=True)
    with phone.shrink("/data/user/0", "32k"):
        code, said, _ = bench(apk)
        assert code == 5
        assert "into the app failed" in said
        assert "No space left" in said
    assert is_as_found(phone)


def test_a_refused_install_is_told_by_androids_name(phone, bench, apk, told):
    (told / "refusal").write_text("INSTALL_FAILED_INSUFFICIENT_STORAGE")
    code, said, _ = bench(apk)
    assert code == 5
    assert "no room for the app (INSTALL_FAILED_INSUFFICIENT_STORAGE)" in said
    assert is_as_found(phone)


def test_an_app_of_another_key_stays_and_is_named(phone, bench, apk, tmp_path):
    other = make_apk(tmp_path / "other.apk")
    phone.call("push", str(other), "/data/local/tmp/other.apk")
    assert "Success" in phone.call(
        "shell", f"cmd package install -S {other.stat().st_size} </data/local/tmp/other.apk"
    )
    code, said, _ = bench(apk)
    assert code == 5
    assert "signed with another key" in said
    assert "adb uninstall edgeq.runner" in said
    assert phone.path("/data/app/edgeq.runner.apk").read_bytes() == other.read_bytes()
    assert "Success" in phone.call("shell", "cmd package uninstall edgeq.runner")


def test_an_android_older_than_the_apps_least_is_refused(bench, apk, phone):
    phone.set_properties({"ro.build.version.sdk": "25", "ro.build.version.release": "7.1"})
    code, said, _ = bench(apk)
    assert code == 5
    assert "Android 8 (API 26) is the oldest" in said


def test_a_release_build_lets_nobody_in_and_goes(phone, bench, tmp_path):
    code, said, _ = bench(make_apk(tmp_path / "release.apk", debuggable=False))
    assert code == 5
    assert "package not debuggable: edgeq.runner" in said
    assert "debug variant" in said
    assert is_as_found(phone)
