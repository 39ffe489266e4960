"""Sections as Markdown, for a file or a CI summary; names from devices and users are escaped."""

import re
from collections.abc import Sequence

from tabulate import tabulate

from edgeq.report.section import Section

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def render_markdown(title: str, sections: Sequence[Section]) -> str:
    """One document: a heading, then a second-level heading for each section."""
    parts = [f"# {escape(title)}", ""]
    for section in sections:
        parts += [f"## {escape(section.title)}", ""]
        parts += [line for sentence in section.sentences for line in (escape(sentence), "")]
        if section.rows:
            header = [escape(cell) for cell in section.header]
            rows = [[escape(cell) for cell in row] for row in section.rows]
            parts += [tabulate(rows, headers=header, tablefmt="pipe", disable_numparse=True), ""]
    return "\n".join(parts)


def escape(text: str) -> str:
    """`text` so that Markdown shows it as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
