"""The Run document: what is written is what is read, and its keys keep their names."""

import json

import msgspec
import pytest
from msgspec.structs import replace
from runs import make_run

from edgeq.results.records import (
    SCHEMA,
    Failure,
    Missing,
    OutputCheck,
    Reading,
    Report,
    Run,
    Series,
    decode_report,
    encode_report,
)

RUN = replace(
    make_run(),
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
    memory=replace(make_run().memory, heap_loaded=Missing(missing="no mallinfo2")),
)
FAILED = Run(
    id="a2",
    created="2026-01-02T03:04:05Z",
    status="failed",
    error=Failure(stage="deploy", kind="DeployError", message="disk full", hint="make room"),
    artifact=RUN.artifact,
    device=None,
    spec=RUN.spec,
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
    assert run["conditions"]["before"]["governor"] == {"missing": "no cpufreq"}
    assert run["conditions"]["before"]["load"] == {"value": 0.5, "unit": "1"}


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
