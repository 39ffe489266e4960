"""The files of an Android library that are made from a template, and how text is written into each kind."""

from collections.abc import Mapping
from pathlib import Path

import jinja2

from edgeq.plain import printable

FOLDER = Path(__file__).parent / "templates"


def java_literal(text: str) -> str:
    r"""`text` as a Java string literal in ASCII.

    Controls are octal: Java reads `\u000a` as the line's end before it sees a string.
    """
    units = text.encode("utf-16-be", "surrogatepass")
    return '"' + "".join(map(_java_unit, zip(units[::2], units[1::2], strict=True))) + '"'


def _java_unit(pair: tuple[int, int]) -> str:
    unit = pair[0] << 8 | pair[1]
    if unit in (0x22, 0x5C):
        return "\\" + chr(unit)
    if 0x20 <= unit < 0x7F:
        return chr(unit)
    return f"\\{unit:03o}" if unit < 0x100 else f"\\u{unit:04x}"


# XML is escaped; what the Java template does not put through `java` is checked to be a name or a number.
_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(FOLDER),
    autoescape=jinja2.select_autoescape(enabled_extensions=("xml", "pom"), default=False),
    undefined=jinja2.StrictUndefined,
    finalize=lambda value: printable(value) if isinstance(value, str) else value,
    keep_trailing_newline=True,
)
_environment.filters["java"] = java_literal


def render(name: str, values: Mapping[str, object]) -> str:
    """The file `name` of the templates with `values` in it."""
    return _environment.get_template(name).render(values)
