import json
from pathlib import Path

import msgspec
import pytest
from hostile import TEXTS, make_hostile
from jsonschema import Draft202012Validator
from odd_runs import ODD
from runs import hide_memory, make_run

from edgeq.report.schema import render_schema
from edgeq.results.records import decode_report, encode_report

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "docs" / "report.schema.json"
VALIDATOR = Draft202012Validator(json.loads(render_schema()))


def errors(document):
    return [error.json_path for error in VALIDATOR.iter_errors(document)]


def test_the_schema_is_a_schema_and_the_published_one_is_current():
    Draft202012Validator.check_schema(VALIDATOR.schema)
    assert PUBLISHED.read_text() == render_schema(), (
        "run: edgeq report --format schema --out docs/report.schema.json"
    )


def test_every_record_is_described():
    silent = [name for name, part in VALIDATOR.schema["$defs"].items() if not part.get("description")]
    assert silent == []


DOCUMENTS = {
    **ODD,
    "missing": [hide_memory(make_run())],
    **{f"hostile {shift}": [make_hostile(shift)] for shift in range(len(TEXTS))},
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_it_accepts_what_edgeq_writes(name):
    assert errors(json.loads(encode_report(DOCUMENTS[name]))) == []


def test_it_accepts_recorded_reports():
    found = sorted((ROOT / "tests" / "fixtures").rglob("*report*.json"))
    assert found
    for path in found:
        assert errors(json.loads(path.read_bytes())) == [], path


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("runs", 0, "status"), "fine"),
        (("runs", 0, "series", 0, "unit"), "ms"),
        (("runs", 0, "memory", "rss_peak"), "big"),
        (("runs", 0, "artifact", "bytes"), None),
        (("runs", 0, "spec", "iterations"), [1]),
        (("runs",), None),
    ],
)
def test_it_refuses_what_the_reader_refuses(path, value):
    document = json.loads(encode_report([make_run()]))
    inside = document
    for step in path[:-1]:
        inside = inside[step]
    inside[path[-1]] = value
    assert errors(document) != []
    with pytest.raises(msgspec.ValidationError):
        decode_report(json.dumps(document).encode())
