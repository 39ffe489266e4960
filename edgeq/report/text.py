"""Sections for a terminal."""

from collections.abc import Sequence

from tabulate import tabulate

from edgeq.plain import printable
from edgeq.report.section import Section


def render_text(sections: Sequence[Section]) -> str:
    """The sections as plain text: titles, sentences, aligned tables; no control characters."""
    parts = []
    for section in sections:
        parts.append(section.title + "\n" + "-" * len(section.title))
        parts += section.sentences
        if section.rows:
            parts.append(
                tabulate(section.rows, headers=section.header, tablefmt="simple", disable_numparse=True)
            )
        parts.append("")
    return printable("\n".join(parts))
