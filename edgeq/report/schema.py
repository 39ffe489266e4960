"""The JSON Schema of `report.json`, made from the records; published as `docs/report.schema.json`."""

import json

import msgspec

from edgeq.results.records import SCHEMA, Report


def render_schema() -> str:
    """The schema (draft 2020-12) as indented JSON with a final newline; descriptions are the records' own."""
    ((reference,), definitions) = msgspec.json.schema_components([Report], ref_template="#/$defs/{name}")
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"edgeq report, schema {SCHEMA}",
        **reference,
        "$defs": dict(sorted(definitions.items())),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
