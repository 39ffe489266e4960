"""The baseline file: small, the same for the same runs, without anything of the host, and read strictly."""

import json
import subprocess
import sys

import pytest
from msgspec.structs import replace
from runs import DEVICE, make_run

from edgeq.errors import InputError
from edgeq.report.files import write_report
from edgeq.results.baseline import MOST_VALUES, decode_baseline, encode_baseline, is_baseline
from edgeq.results.compare import compare_runs
from edgeq.results.origin import describe_energy
from edgeq.results.records import Conditions, Failure, Missing, Reading, Series


def edgeq(*arguments):
    command = [sys.executable, "-m", "edgeq", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def changed(change):
    document = json.loads(encode_baseline([make_run()]))
    change(document)
    return json.dumps(document).encode()


def test_a_baseline_compares_as_the_runs_do():
    runs = [make_run("fp32"), make_run("int8")]
    worse = [make_run("fp32", latency=(300.0,)), make_run("int8", rss_peak=9_000_000)]
    assert compare_runs(decode_baseline(encode_baseline(runs)), worse) == compare_runs(runs, worse)


def test_conditions_that_must_be_alike_are_in_it():
    governor = Conditions(
        before={"governor": Reading(value="powersave"), "load": Reading(value=0.5, unit="1")}
    )
    data = encode_baseline([make_run(conditions=governor)])
    with pytest.raises(InputError, match="governor"):
        compare_runs(decode_baseline(data), [make_run()])
    assert list(json.loads(data)["runs"][0]["conditions"]["before"]) == ["governor"]


def test_the_order_of_the_runs_does_not_matter():
    other = make_run("int8", device=replace(DEVICE, profile="virt-pi4"))
    runs = [make_run("int8"), make_run("fp32"), other, make_run(name="zebra"), make_run(name="ant")]
    assert encode_baseline(runs) == encode_baseline(runs[::-1])


def test_nothing_of_the_moment_is_in_it():
    one = make_run(id="1" * 32, created="2026-11-23T12:00:00+00:00")
    other = make_run(id="2" * 32, created="2027-01-01T00:00:00+00:00")
    free = {"memory_available": Reading(value=123456, unit="B")}
    other = replace(other, conditions=Conditions(before=free, after=free))
    data = encode_baseline([one])
    assert data == encode_baseline([other])
    for word in (b"2026", b"1111", b"created", b"times"):
        assert word not in data


def test_it_survives_being_written_again():
    data = encode_baseline([make_run("fp32"), make_run("int8")])
    assert encode_baseline(decode_baseline(data)) == data


def test_it_is_json_with_a_kernel_on_a_line():
    data = encode_baseline([make_run()])
    assert is_baseline(data)
    assert data.endswith(b"}\n")
    lines = data.decode().splitlines()
    assert '     ["Convolution (NHWC, F32) IGEMM #1","Convolution","features.0","fp32",true,1,150]' in lines


def test_a_long_series_is_thinned_and_keeps_its_median_and_its_drift():
    values = tuple(1e-3 * (1 + 0.1 * i / 5000) for i in range(5000))
    device = replace(DEVICE, kind="hardware", clock="wall")
    series = Series(name="latency", unit="s", phase="measured", values=values, times=values, source="test")
    run = make_run(device=device, series=(series,))
    data = encode_baseline([run])
    (again,) = decode_baseline(data)
    kept = again.find_series("latency").values
    assert MOST_VALUES / 2 < len(kept) <= MOST_VALUES
    assert kept == tuple(sorted(kept))
    assert kept[len(kept) // 2] == pytest.approx(values[2500], rel=0.001)
    assert len(data) < 5000


def energy(joules, sensor, kind="net"):
    source = describe_energy(f"{sensor}: hwmon ina219", kind, 50)
    return Series(name="energy", unit="J", phase="measured", values=(joules,) * 50, source=source)


def test_energies_keep_sensor_site_and_kind():
    device = replace(DEVICE, kind="hardware", clock="wall")
    series = (energy(0.09, "input (board)"), energy(0.02, "cores (rail)", "gross"))
    run = make_run(device=device, series=series)
    data = encode_baseline([run])
    assert encode_baseline(decode_baseline(data)) == data
    for new in (run, replace(run, series=(energy(0.03, "cores (rail)", "gross"),))):
        assert compare_runs(decode_baseline(data), [new]) == compare_runs([run], [new])


def test_a_baseline_of_an_older_edgeq_is_read_and_its_energy_compared_with_none():
    def add_energy(document):
        document["runs"][0]["series"]["energy"] = {"unit": "J", "of": 50, "values": [0.09] * 50}

    new = make_run(series=(*make_run().series, energy(0.09, "input (board)")))
    old = decode_baseline(changed(add_energy))
    assert encode_baseline(old) == encode_baseline(decode_baseline(encode_baseline(old)))
    (pair,) = compare_runs(old, [new]).pairs
    verdicts = [finding.verdict for finding in pair.findings if finding.quantity == "energy"]
    assert [verdict.outcome for verdict in verdicts] == ["undecided", "not judged"]
    assert "write an older baseline anew" in verdicts[0].reason


def test_missing_quantities_stay_missing():
    run = make_run(operators=Missing(missing="not asked for"))
    run = replace(run, memory=replace(run.memory, rss_peak=Missing(missing="hidden by the kernel")))
    (again,) = decode_baseline(encode_baseline([run]))
    assert again.memory.rss_peak == Missing(missing="hidden by the kernel")
    assert again.operators == Missing(missing="not in the baseline")


def test_a_failed_run_is_no_baseline():
    error = Failure(stage="outputs", kind="MeasurementError", message="outputs are off")
    with pytest.raises(InputError, match="outputs are off"):
        encode_baseline([make_run(), make_run("int8", status="failed", error=error)])


def test_an_invalid_run_is_no_baseline():
    with pytest.raises(InputError, match=r"not valid .*throttled for 4 s"):
        encode_baseline([make_run(), make_run("int8", invalid=("throttled for 4 s",))])


def test_inputs_that_take_turns_are_all_in_a_thinned_series():
    device = replace(DEVICE, kind="hardware", clock="wall")
    values = tuple((0.009, 0.011)[i % 2] + 1e-6 * (i % 7) for i in range(400))
    series = Series(name="latency", unit="s", phase="measured", values=values, source="test")
    run = make_run(device=device, series=(series,))
    data = encode_baseline([run])
    assert encode_baseline([run]) == data
    assert compare_runs(decode_baseline(data), [run]).outcome != "regressed"
    (again,) = decode_baseline(data)
    slow = [value > 0.01 for value in again.find_series("latency").values]
    assert 0.35 < sum(slow) / len(slow) < 0.65


def test_two_runs_of_the_same_are_refused_and_so_are_none():
    with pytest.raises(InputError, match="more than one"):
        encode_baseline([make_run(), make_run()])
    with pytest.raises(InputError, match="no runs"):
        encode_baseline([])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda d: d.update(edgeq_baseline=2), "version 2"),
        (lambda d: d.update(colour="red"), "colour"),
        (lambda d: d["runs"][0].update(colour="red"), "colour"),
        (lambda d: d["runs"][0]["device"].update(hostname="kitchen"), "hostname"),
        (lambda d: d["runs"][0]["spec"].update(colour="red"), r"\$\.runs\[0\]\.spec\.colour"),
        (lambda d: d["runs"][0]["series"]["latency"].update(unit="furlong"), "furlong"),
        (lambda d: d["runs"][0]["operators"]["rows"][0].append(1), "length 7"),
        (lambda d: d["runs"][0].pop("sha256"), "sha256"),
        (lambda d: d.pop("runs"), "runs"),
    ],
)
def test_a_baseline_that_is_not_wholly_understood_is_refused(change, word):
    with pytest.raises(InputError, match=word):
        decode_baseline(changed(change))


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"schema": 1, "runs": []}', b"\xff"])
def test_other_documents_are_no_baselines(data):
    assert not is_baseline(data)


@pytest.fixture
def reports(tmp_path):
    write_report(tmp_path / "out" / "virt-pi5", [make_run("fp32"), make_run("int8")])
    return tmp_path


def test_the_command_writes_a_baseline_that_the_gate_reads(reports):
    file = reports / "baseline.json"
    written = edgeq("baseline", reports / "out", "--out", file)
    assert (written.returncode, written.stdout) == (0, f"{file}: 2 runs\n")
    answer = edgeq("compare", file, reports / "out" / "virt-pi5")
    assert answer.returncode == 0, answer.stderr
    assert "The program is the same to the byte." in answer.stdout


def test_a_damaged_baseline_is_refused_by_name(reports):
    file = reports / "baseline.json"
    file.write_bytes(changed(lambda document: document.update(colour="red")))
    answer = edgeq("compare", file, reports / "out")
    assert answer.returncode == 2
    assert "baseline.json: not a baseline" in answer.stderr
    assert "colour" in answer.stderr
    file.write_bytes(b"\xff{")
    assert edgeq("compare", file, reports / "out").returncode == 2
