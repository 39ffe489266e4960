"""The Run document: what is written is what is read, and its keys keep their names."""

import json

import msgspec
import pytest

from edgeq.results.records import (
    SCHEMA,
    Accuracy,
    Agreement,
    ArtifactInfo,
    Conditions,
    Delegation,
    DeviceInfo,
    Failure,
    LeftOut,
    Memory,
    Missing,
    Operator,
    OutputCheck,
    Reading,
    Report,
    Run,
    Series,
    Spec,
    decode_report,
    encode_report,
)

ARTIFACT = ArtifactInfo(
    name="digits",
    recipe="int8",
    sha256="0" * 64,
    bytes=12_345,
    executorch="1.5.1",
    torch="2.13.0",
    delegation=Delegation(
        delegated=9, total=11, left_out=(LeftOut(op="mean.dim", count=1, reason="no keepdim"),)
    ),
    accuracy=Accuracy(
        eager={"top1": 0.99}, converted={"top1": 0.985}, host={"top1": 0.985}, device={"missing": "not asked"}
    ),
)
DEVICE = DeviceInfo(
    profile="virt-pi5",
    kind="emulated",
    clock="instructions",
    arch="aarch64",
    cpu="cortex-a76",
    features=("asimd", "asimddp"),
    model="linux,dummy-virt",
    os="Debian",
    kernel="6.1",
    libc="glibc 2.36",
)
SPEC = Spec(
    threads=1,
    cpus=(0,),
    warmup=2,
    iterations=(3, 20),
    seconds=(0.0, 60.0),
    agreement=Agreement(window=3, spread=0.001),
    passes=("latency", "outputs"),
)
RUN = Run(
    id="a1",
    created="2026-01-02T03:04:05Z",
    status="ok",
    artifact=ARTIFACT,
    device=DEVICE,
    spec=SPEC,
    conditions=Conditions(before={"load": Reading(value=0.1, unit="1"), "governor": Reading(missing="none")}),
    series=(
        Series(name="latency", unit="insn", phase="warmup", values=(70.0,), source="runner"),
        Series(
            name="latency",
            unit="insn",
            phase="measured",
            values=(67.0, 67.5),
            times=(1.0, 2.0),
            source="runner",
        ),
    ),
    memory=Memory(
        program=12_345,
        arena=100,
        heap_loaded=Missing(missing="no mallinfo2"),
        heap_peak=5,
        rss_start=3,
        rss_peak=9,
    ),
    operators=(
        Operator(
            name="linear",
            kernel="Fully Connected (NC, QS8, QC8W) GEMM",
            module="fc",
            delegated=True,
            precision="int8",
            count=1,
            total=10.0,
            unit="insn",
        ),
    ),
    outputs=OutputCheck(within=True, max_abs_error=0.0, samples=4, bound="sqnr >= 20 dB"),
)
FAILED = Run(
    id="a2",
    created="2026-01-02T03:04:05Z",
    status="failed",
    error=Failure(stage="deploy", kind="DeployError", message="disk full", hint="make room"),
    artifact=ARTIFACT,
    device=None,
    spec=SPEC,
    operators=Missing(missing="the run failed"),
    outputs=OutputCheck(missing="the run failed"),
)


def test_a_report_comes_back_as_it_was_written() -> None:
    assert decode_report(encode_report([RUN, FAILED])) == Report(runs=(RUN, FAILED))


def test_a_report_is_indented_utf8_with_a_schema_and_a_final_newline() -> None:
    data = encode_report([RUN])
    assert data.endswith(b"}\n")
    assert b'\n  "runs": [' in data
    document = json.loads(data)
    assert document["schema"] == document["runs"][0]["schema"] == SCHEMA == 1


def test_the_keys_of_a_run_keep_their_names() -> None:
    run = json.loads(encode_report([RUN]))["runs"][0]
    assert set(run) >= {
        *("schema", "id", "created", "status", "error", "artifact", "device", "spec", "conditions"),
        *("series", "memory", "operators", "outputs", "warnings"),
    }
    assert set(run["artifact"]) >= {
        *("name", "recipe", "sha256", "bytes", "executorch", "torch", "delegation", "accuracy"),
    }
    assert set(run["artifact"]["delegation"]) >= {"delegated", "total", "left_out"}
    assert set(run["artifact"]["delegation"]["left_out"][0]) >= {"op", "count", "reason"}
    assert set(run["artifact"]["accuracy"]) >= {"eager", "converted", "host", "device"}
    assert set(run["device"]) >= {
        *("profile", "kind", "clock", "arch", "cpu", "features", "model", "os", "kernel", "libc"),
    }
    assert set(run["spec"]) >= {"threads", "cpus", "warmup", "iterations", "seconds", "passes"}
    assert set(run["series"][0]) >= {"name", "unit", "phase", "values", "times", "source"}
    assert set(run["memory"]) >= {"program", "arena", "heap_loaded", "heap_peak", "rss_peak"}
    assert set(run["operators"][0]) >= {
        *("name", "kernel", "module", "delegated", "precision", "count", "total", "unit"),
    }
    assert set(run["outputs"]) >= {"max_abs_error", "within"}


def test_what_is_missing_is_a_reason_and_no_number() -> None:
    run = json.loads(encode_report([RUN]))["runs"][0]
    assert run["memory"]["heap_loaded"] == {"missing": "no mallinfo2"}
    assert run["conditions"]["before"]["governor"] == {"missing": "none"}
    assert run["conditions"]["before"]["load"] == {"value": 0.1, "unit": "1"}


@pytest.mark.parametrize("fields", [{}, {"value": 1, "missing": "both"}])
def test_a_reading_is_either_a_value_or_a_reason(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="either a value or a reason"):
        Reading(**fields)
    with pytest.raises(msgspec.ValidationError, match="either a value or a reason"):
        msgspec.json.decode(json.dumps(fields), type=Reading)


def test_a_reading_of_zero_is_a_value() -> None:
    assert msgspec.json.decode(msgspec.json.encode(Reading(value=0, unit="degC")), type=Reading).value == 0


def test_keys_of_a_later_edgeq_are_let_pass() -> None:
    document = json.loads(encode_report([RUN]))
    document["written_by"] = "later"
    document["runs"][0]["weather"] = {"rain": True}
    document["runs"][0]["device"]["colour"] = "green"
    assert decode_report(json.dumps(document).encode()) == Report(runs=(RUN,))


def test_a_wrong_field_is_named_by_its_path() -> None:
    document = json.loads(encode_report([RUN]))
    document["runs"][0]["series"][1]["unit"] = "ms"
    with pytest.raises(msgspec.ValidationError, match=r"'ms'.*\$\.runs\[0\]\.series\[1\]\.unit"):
        decode_report(json.dumps(document).encode())


def test_a_run_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        RUN.status = "failed"  # type: ignore[misc]


def test_series_are_found_by_name_and_phase() -> None:
    assert RUN.find_series("latency") == RUN.series[1]
    assert RUN.find_series("latency", "warmup") == RUN.series[0]
    assert RUN.find_series("power") is None
