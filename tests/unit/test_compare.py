"""Two sets of runs side by side: what is matched, what is refused, what is a regression, what is to blame."""

import pytest
from msgspec.structs import replace
from runs import DEVICE, SPEC, hide_memory, make_run

from edgeq.errors import InputError
from edgeq.report.comparison import comparison_sections, headline, render_comment
from edgeq.report.text import render_text
from edgeq.results.compare import compare_runs
from edgeq.results.limits import parse_limits
from edgeq.results.origin import describe_energy
from edgeq.results.records import Conditions, Delegation, Failure, LeftOut, Reading, Series

WALL = replace(DEVICE, profile="pi5", kind="hardware", clock="wall")


def pair_of(base, new, *limits, allow=()):
    (pair,) = compare_runs([base], [new], limits=parse_limits(limits), allow=allow).pairs
    return pair


def finding_of(pair, quantity):
    return next(finding for finding in pair.findings if finding.quantity == quantity)


def outcome_of(base, new, quantity, *limits):
    return finding_of(pair_of(base, new, *limits), quantity).verdict.outcome


def with_artifact(run, **changes):
    return replace(run, artifact=replace(run.artifact, **changes))


def with_score(run, value, metric="top1"):
    rungs = {rung: {metric: value} for rung in ("eager", "converted", "host", "device")}
    return with_artifact(run, accuracy=replace(run.artifact.accuracy, **rungs))


def failed(stage="outputs", **changes):
    error = Failure(stage=stage, kind="MeasurementError", message="outputs are off")
    return make_run(status="failed", error=error, **changes)


def test_the_same_name_recipe_and_device_are_matched_and_the_rest_is_listed():
    base = [make_run("fp32"), make_run("int8"), make_run("fp32", name="old")]
    new = [make_run("int8"), make_run("fp32"), make_run("fp32", device=replace(DEVICE, profile="virt-pi4"))]
    comparison = compare_runs(base, new)
    assert [str(pair.key) for pair in comparison.pairs] == [
        "digits.fp32 on virt-pi5",
        "digits.int8 on virt-pi5",
    ]
    assert [str(key) for key in comparison.only_base] == ["old.fp32 on virt-pi5"]
    assert [str(key) for key in comparison.only_new] == ["digits.fp32 on virt-pi4"]
    assert comparison.outcome == "passed"


def test_nothing_in_common_is_refused_with_both_sides_named():
    with pytest.raises(InputError, match=r"a\.fp32 on virt-pi5.*b\.fp32 on virt-pi5"):
        compare_runs([make_run(name="a")], [make_run(name="b")])


def test_two_runs_of_the_same_on_one_side_are_refused():
    with pytest.raises(InputError, match=r"NEW has more than one run of digits\.fp32"):
        compare_runs([make_run()], [make_run(), make_run()])


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("cpu", {"device": replace(DEVICE, cpu="Cortex-A72")}),
        ("features", {"device": replace(DEVICE, features=("asimd",))}),
        ("kernel", {"device": replace(DEVICE, kernel="6.2.0")}),
        ("libc", {"device": replace(DEVICE, libc="glibc 2.40")}),
        ("threads", {"spec": replace(SPEC, threads=2)}),
        ("cpus", {"spec": replace(SPEC, cpus=(3,))}),
        ("warmup", {"spec": replace(SPEC, warmup=9)}),
        ("governor", {"conditions": Conditions(before={"governor": Reading(value="powersave")})}),
        ("throttling", {"conditions": Conditions(after={"throttling": Reading(value="0x4 (throttled)")})}),
    ],
)
def test_unlike_conditions_are_refused_by_name_unless_allowed(name, changes):
    base, new = make_run(), make_run(**changes)
    with pytest.raises(InputError) as caught:
        compare_runs([base], [new])
    assert f"digits.fp32 on virt-pi5: {name} (" in caught.value.message
    assert f"--allow {name}" in caught.value.hint
    pair = pair_of(base, new, allow=[name])
    assert [difference.name for difference in pair.allowed] == [name]
    assert f"allowed by the user: {name} " in render_comment(compare_runs([base], [new], allow=[name]))


def test_every_unlike_condition_of_every_pair_is_named_at_once():
    other = replace(DEVICE, kernel="6.2.0", cpu="Cortex-A72")
    base, new = (
        [make_run("fp32"), make_run("int8")],
        [make_run("fp32", device=other), make_run("int8", device=other)],
    )
    with pytest.raises(InputError) as caught:
        compare_runs(base, new, allow=["libc"])
    assert caught.value.message.count("6.1.0 -> 6.2.0") == 2
    assert caught.value.hint.endswith("--allow cpu,kernel")


@pytest.mark.parametrize("name", ["clock", "kind", "smell"])
def test_what_cannot_be_allowed_is_refused_with_the_valid_names(name):
    with pytest.raises(InputError, match=name) as caught:
        compare_runs([make_run()], [make_run()], allow=[name])
    assert "governor" in caught.value.hint


def test_a_wall_clock_is_never_compared_with_an_instruction_clock():
    device = replace(DEVICE, clock="wall", kind="hardware")
    with pytest.raises(InputError, match="clock"):
        compare_runs([make_run()], [make_run(device=device)])


def test_the_length_of_a_series_matters_on_a_wall_clock_only():
    longer = replace(SPEC, iterations=(500, 500))
    pair_of(make_run(), make_run(spec=longer))
    with pytest.raises(InputError, match="iterations"):
        pair_of(make_run(device=WALL), make_run(device=WALL, spec=longer))


def test_versions_and_program_may_differ_and_are_named():
    new = with_artifact(make_run(), executorch="1.6.0", sha256="ff" * 32)
    pair = pair_of(make_run(), new)
    assert [change.name for change in pair.changed] == ["program", "executorch"]
    assert "-> 1.6.0" in render_text(comparison_sections(compare_runs([make_run()], [new])))


def test_each_quantity_is_judged_by_its_own_limit():
    base = make_run(latency=(200_000.0,))
    slower = make_run(latency=(204_000.0,))
    assert outcome_of(base, slower, "latency") == "regressed"
    assert outcome_of(base, slower, "latency", "latency=3%") == "passed"
    assert outcome_of(base, slower, "latency", "latency=off") == "not judged"
    assert outcome_of(base, with_artifact(base, bytes=2 * base.artifact.bytes), "size") == "regressed"
    assert outcome_of(base, make_run(rss_peak=9_000_000), "rss_peak") == "regressed"
    assert outcome_of(base, make_run(rss_peak=9_000_000), "rss_peak", "memory=20%") == "passed"


def test_accuracy_is_taken_where_both_runs_have_it():
    base = with_score(make_run(), 0.98)
    ladder = replace(base.artifact.accuracy, device={"missing": "not asked for"}, host={"top1": 0.90})
    pair = pair_of(base, with_artifact(base, accuracy=ladder))
    finding = finding_of(pair, "accuracy.top1")
    assert (finding.where, finding.new, finding.verdict.outcome) == ("host", 0.90, "regressed")


@pytest.mark.parametrize(
    ("metric", "new", "outcome"), [("val_loss", 1.2, "regressed"), ("lossless", 1.2, "passed")]
)
def test_a_metric_named_as_a_cost_is_better_when_it_is_lower(metric, new, outcome):
    base = with_score(make_run(), 1.0, metric)
    assert outcome_of(base, with_score(make_run(), new, metric), f"accuracy.{metric}") == outcome


def test_a_node_that_falls_out_of_the_delegate_is_a_regression_with_its_reason():
    base = with_artifact(make_run(), delegation=Delegation(delegated=24, total=24))
    left = LeftOut(op="aten.mean.dim", count=1, reason="keepdim is False")
    new = with_artifact(make_run(), delegation=Delegation(delegated=23, total=24, left_out=(left,)))
    comparison = compare_runs([base], [new])
    assert finding_of(comparison.pairs[0], "delegation").verdict.outcome == "regressed"
    assert "aten.mean.dim (keepdim is False)" in render_text(comparison_sections(comparison))
    assert outcome_of(base, new, "delegation", "delegation=1") == "passed"


def energy(joules, sensor="input (board)", kind="net"):
    source = describe_energy(f"{sensor}: hwmon ina219", kind, 50)
    return Series(name="energy", unit="J", phase="measured", values=(joules,) * 50, source=source)


def with_energy(*series, **changes):
    return make_run(device=WALL, series=series, **changes)


def energies_of(base, new):
    findings = [finding for finding in pair_of(base, new).findings if finding.quantity == "energy"]
    return {finding.where: finding.verdict for finding in findings}


def test_energy_is_compared_when_there_is_a_series():
    base, new = with_energy(energy(1.0)), with_energy(energy(1.2))
    assert outcome_of(base, new, "energy") == "regressed"
    assert outcome_of(base, new, "energy", "energy=30%") == "passed"
    assert "energy" not in [finding.quantity for finding in pair_of(make_run(), make_run()).findings]
    text = render_text(comparison_sections(compare_runs([base], [new])))
    assert "energy of one inference, median, input (board), net" in text


@pytest.mark.parametrize("kinds", [("net", "gross"), ("gross", "net")])
def test_net_energy_is_never_compared_with_gross(kinds):
    base, new = (
        with_energy(energy(joules, kind=kind)) for joules, kind in zip((0.02, 0.07), kinds, strict=True)
    )
    before, now = (f"input (board), {kind}" for kind in kinds)
    found = energies_of(base, new)
    assert (found[before].outcome, found[now].outcome) == ("undecided", "not judged")
    assert f"no energy of {before}, but of {now}" in found[before].reason
    assert compare_runs([base], [new]).list_unmeasured() == [f"digits.fp32 on pi5: energy of {before}"]


def test_energies_of_different_sensors_are_never_compared():
    base = with_energy(energy(0.09), energy(0.02, "cores (rail)"))
    new = with_energy(energy(0.03, "cores (rail)"))
    found = energies_of(base, new)
    assert found["cores (rail), net"].outcome == "regressed"
    assert found["cores (rail), net"].ratio == pytest.approx(1.5)
    assert "energy of cores (rail), net, +50.0%" in headline(compare_runs([base], [new]))
    assert found["input (board), net"].outcome == "undecided"
    assert {verdict.ratio for verdict in energies_of(base, base).values()} == {1.0}


def test_energy_that_does_not_tell_its_sensor_has_no_partner():
    untold = with_energy(replace(energy(1.0), source="baseline"))
    for new in (with_energy(energy(1.0)), untold):
        verdict = energies_of(untold, new)[""]
        assert verdict.outcome == "undecided"
        assert "does not tell its sensor" in verdict.reason


def test_energy_that_was_not_measured_has_its_reason():
    gone = with_energy(not_measured={"energy": "the sensor is stuck"})
    assert "the sensor is stuck" in energies_of(with_energy(energy(1.0)), gone)["input (board), net"].reason


def test_a_run_that_was_ok_and_failed_now_is_a_regression():
    comparison = compare_runs([make_run()], [failed()])
    assert comparison.outcome == "regressed"
    assert "status (failed at outputs: outputs are off)" in headline(comparison)
    assert [finding.quantity for finding in comparison.pairs[0].findings] == ["status"]


def test_a_device_that_was_not_reached_proves_nothing():
    comparison = compare_runs([make_run()], [failed("connect", device=None)])
    assert comparison.outcome == "undecided"
    assert comparison.only_base == comparison.only_new == ()
    assert comparison.list_unmeasured() == ["digits.fp32 on virt-pi5: status"]


def test_a_device_not_reached_is_matched_only_when_it_can_be_one():
    boards = [make_run(), make_run(device=replace(DEVICE, profile="virt-pi4"))]
    with pytest.raises(InputError, match="not reached"):
        compare_runs(boards, [failed("connect", device=None)])


@pytest.mark.parametrize(("new", "outcome"), [(make_run(), "passed"), (failed(), "undecided")])
def test_a_base_that_failed_is_said_and_proves_nothing(new, outcome):
    assert compare_runs([failed()], [new]).outcome == outcome


def test_what_is_not_measured_any_more_is_stated_and_listed():
    comparison = compare_runs([make_run(), make_run("int8")], [hide_memory(make_run())])
    assert comparison.outcome == "undecided"
    assert comparison.list_unmeasured() == [
        "digits.int8 on virt-pi5: not measured at all",
        "digits.fp32 on virt-pi5: rss_peak",
    ]
    text = render_text(comparison_sections(comparison))
    assert "not measured now: hidden by the kernel" in text


def test_a_series_that_is_gone_is_not_a_pass():
    assert outcome_of(make_run(), make_run(series=()), "latency") == "undecided"
