"""Parts of the run inside of an app that need no phone: Android's words, what is refused before, the record.

The texts of `am` and `cmd package` are written from AOSP's sources; none was recorded on a phone.
"""

import json
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from runs import make_run

from edgeq.devices.adb.app import check_install, read_answer
from edgeq.devices.profile import load_profile
from edgeq.errors import DeviceError, InputError, RunnerError
from edgeq.measure.app import add_app_readings, find_app_series, find_app_warnings, join_told
from edgeq.measure.choices import Choices, resolve_spec
from edgeq.measure.gaps import find_gaps, find_operator_gap
from edgeq.measure.paired import Plan
from edgeq.measure.passes import Passes, Subject
from edgeq.results.likeness import find_differences
from edgeq.results.records import Conditions, Reading
from edgeq.runner.app import Apk, read_apk
from edgeq.runner.job import AppFacts, InApp, Result

COMPONENT = "edgeq.runner/edgeq.runner.app.RunnerInstrumentation"
LIBRARY = "lib/arm64-v8a/libexecutorch.so"
FACTS = {"executorch": "1.5.1", "schema": 1}


def write_apk(path, facts=FACTS, names=(LIBRARY,)):
    with zipfile.ZipFile(path, "w") as archive:
        if facts is not None:
            archive.writestr("assets/edgeq-runner.json", json.dumps(facts))
        for name in names:
            archive.writestr(name, b"")
    return path


def test_an_app_that_came_to_its_end_hands_over_what_it_said():
    answer = read_answer(
        "INSTRUMENTATION_RESULT: exit=1\n"
        "INSTRUMENTATION_RESULT: said=edgeq-runner: init: NotFound: a=b\nINSTRUMENTATION_CODE: -1\n"
    )
    assert (answer.said, answer.crash) == ("edgeq-runner: init: NotFound: a=b", None)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("INSTRUMENTATION_RESULT: shortMsg=Process crashed.\nINSTRUMENTATION_CODE: 0\n", "Process crashed."),
        (
            "INSTRUMENTATION_RESULT: shortMsg=java.lang.Error\n"
            "INSTRUMENTATION_RESULT: longMsg=java.lang.Error: x\n",
            "java.lang.Error: java.lang.Error: x",
        ),
        ("", "am said: nothing"),
    ],
)
def test_an_app_that_crashed_is_told_in_androids_words(output, words):
    assert words in (read_answer(output).crash or "")


@pytest.mark.parametrize(
    ("output", "errors", "words"),
    [
        (
            "INSTRUMENTATION_STATUS: Error=Unable to find instrumentation info for: "
            f"ComponentInfo{{{COMPONENT}}}\n",
            f"android.util.AndroidException: INSTRUMENTATION_FAILED: {COMPONENT}\n\tat com.android\n",
            "Unable to find instrumentation info",
        ),
        ("INSTRUMENTATION_ABORTED: System has crashed.\n", "", "System has crashed"),
    ],
)
def test_an_app_that_did_not_run_is_an_error_by_name(output, errors, words):
    with pytest.raises(RunnerError, match=words):
        read_answer(output, errors)


def test_an_install_that_succeeds_is_no_error():
    check_install("Performing Streamed Install\nSuccess\n")


@pytest.mark.parametrize(
    ("output", "words", "hint"),
    [
        (
            "Failure [INSTALL_FAILED_NO_MATCHING_ABIS: res=-113]\n",
            r"no library for its processor \(INSTALL_FAILED_NO_MATCHING_ABIS: res=-113\)",
            "arm64-v8a",
        ),
        (
            "Failure [INSTALL_FAILED_USER_RESTRICTED: Install canceled by user]",
            "lets nobody",
            "Install via USB",
        ),
        ("Failure [INSTALL_FAILED_OLDER_SDK]", "older than the app's minSdk", "lower minSdk"),
        ("Failure [INSTALL_FAILED_UPDATE_INCOMPATIBLE: x]", "another key", "adb uninstall edgeq.runner"),
        ("Failure [INSTALL_FAILED_NOBODY_FORESAW]", "INSTALL_FAILED_NOBODY_FORESAW", ""),
        ("cmd: Failure calling service package: Broken pipe (32)\n", "Broken pipe", ""),
    ],
)
def test_a_refused_install_is_told_by_androids_name_with_what_to_do(output, words, hint):
    with pytest.raises(DeviceError, match=words) as caught:
        check_install(output)
    assert hint in (caught.value.hint or "")


def test_an_app_with_a_runtime_tells_its_version(tmp_path):
    assert read_apk(write_apk(tmp_path / "a.apk")).executorch == "1.5.1"


@pytest.mark.parametrize(
    ("facts", "names", "words"),
    [
        (FACTS, (), "has no ExecuTorch inside"),
        (FACTS, ("lib/x86_64/libexecutorch.so",), "has no ExecuTorch inside"),
        (None, (LIBRARY,), "is not edgeq's runner"),
        ([], (LIBRARY,), "is not edgeq's runner"),
        ({"executorch": "1.5.1", "schema": 2}, (LIBRARY,), "reads jobs of schema 2, not 1"),
    ],
)
def test_an_app_that_cannot_measure_is_refused_before_a_phone_is_asked(tmp_path, facts, names, words):
    with pytest.raises(InputError, match=words) as caught:
        read_apk(write_apk(tmp_path / "a.apk", facts, names))
    assert "Gradle" in caught.value.hint


@pytest.mark.parametrize("data", [None, b"", b"PK no zip"])
def test_a_file_that_is_no_app_is_refused(tmp_path, data):
    path = tmp_path / "a.apk"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=r"cannot read|no whole app"):
        read_apk(path)


@pytest.mark.parametrize(
    ("offset", "value"), [(8, 99), (8, zipfile.ZIP_DEFLATED), (6, 1)], ids=["method", "garbage", "encrypted"]
)
def test_an_app_whose_facts_cannot_be_unpacked_is_refused(tmp_path, offset, value):
    path = write_apk(tmp_path / "a.apk")
    data = bytearray(path.read_bytes())
    for start, more in ((data.index(b"PK\x03\x04"), 0), (data.index(b"PK\x01\x02"), 2)):
        data[start + offset + more] = value
    path.write_bytes(data)
    with pytest.raises(InputError, match="no whole app"):
        read_apk(path)


def test_an_app_whose_facts_are_too_deep_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.apk", "w") as archive:
        archive.writestr("assets/edgeq-runner.json", "[" * 100_000)
    with pytest.raises(InputError, match="no whole app"):
        read_apk(tmp_path / "a.apk")


def test_only_phones_have_apps_and_an_app_has_no_cores_of_its_own(tmp_path):
    apk = Apk(path=tmp_path / "a.apk", executorch="1.5.1")
    with pytest.raises(InputError, match="virt-pi5 is no phone over adb"):
        resolve_spec(load_profile("virt-pi5"), Choices(apk=apk))
    with pytest.raises(InputError, match="cannot choose its cores, and 4, 5"):
        resolve_spec(load_profile("android"), Choices(apk=apk, cpus=(4, 5)))
    spec = resolve_spec(load_profile("android"), Choices(apk=apk, threads=2))
    assert (spec.in_app, spec.threads) == (True, 2)


def test_what_an_app_cannot_show_is_missing_with_the_reason(tmp_path):
    profile = load_profile("android")
    spec = resolve_spec(
        profile, Choices(apk=Apk(path=tmp_path, executorch="1.5.1"), passes=("latency", "operators"))
    )
    assert "--in-app" in find_gaps(profile, spec)["energy"]
    assert "event trace" in find_operator_gap(profile, spec).missing


def test_an_app_and_a_program_are_not_compared():
    shell = make_run()
    app = replace(shell, spec=replace(shell.spec, in_app=True))
    assert [(each.name, each.new) for each in find_differences(shell, app)] == [("place", "an app")]


def result(**facts):
    return Result(
        schema=1,
        kind="latency",
        status="ok",
        executorch="1.5.1",
        app=InApp(before=AppFacts(time=0, thermal_status=0), after=AppFacts(time=1, **facts)),
    )


def test_heat_that_android_told_is_a_series_and_a_warning():
    hot = result(thermal_status=1, thermal_changes=((5_000_000_000, 3), (6_000_000_000, 1)))
    (series,) = find_app_series(hot.app)
    assert (series.values, series.times) == ((3.0, 1.0), (5.0, 6.0))
    (warning,) = find_app_warnings(hot.app)
    assert warning.facts == {"status": 3}


def test_heat_in_one_round_of_many_is_told_of_the_run():
    spec = resolve_spec(
        load_profile("android"), Choices(apk=Apk(path=Path(), executorch="1.5.1"), paired=Plan(1))
    )
    subject = Subject(SimpleNamespace(info=SimpleNamespace(bytes=1)))
    passes = Passes(None, subject, None, spec, load_profile("android"))
    cool, hot = result(thermal_status=0), result(thermal_status=0, thermal_changes=((5_000_000_000, 3),))
    rounds = SimpleNamespace(results=lambda _: [cool, hot, cool], series=lambda _: (), pairing=lambda _: None)
    passes.take_rounds(rounds, 0)
    found = passes.findings
    assert [each.values for each in found.series] == [(3.0,)]
    assert [each.code for each in found.warnings if each.code == "thermal-status"] == ["thermal-status"]
    assert found.told.before == cool.app.before


def test_a_phone_that_told_of_no_changes_is_not_said_to_have_had_none():
    assert join_told([result(thermal_status=0)]).after.thermal_changes is None
    assert join_told([]) is None


def test_what_the_app_told_is_among_the_conditions_and_what_it_did_not_has_a_reason():
    shell = Conditions(before={"load": Reading(value=0.5, unit="1")})
    told = InApp(
        before=AppFacts(time=0, battery={"current_now": -229375, "temperature": 301}, java_heap=4096),
        after=AppFacts(time=1, thermal_status=0),
    )
    both = add_app_readings(shell, told)
    assert both.before["load"] == shell.before["load"]
    assert both.before["app.battery_temperature"] == Reading(value=30.1, unit="degC")
    assert both.before["app.java_heap"] == Reading(value=4096, unit="B")
    assert "-229375" in both.before["app.battery_current"].value
    assert both.before["app.thermal_status"].missing == "Android did not tell the app"
    assert both.after["app.thermal_status"] == Reading(value=0, unit="1")
    assert add_app_readings(shell, None) is shell


@pytest.mark.parametrize(
    "cool", [result(thermal_status=0, thermal_changes=()), result(), result(thermal_changes=((1, 0),))]
)
def test_a_cool_phone_and_one_that_does_not_tell_are_no_warning(cool):
    assert find_app_warnings(cool.app) == ()
