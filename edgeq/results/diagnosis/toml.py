"""A remedy as lines of a recipe file."""

from collections.abc import Iterable, Mapping

import tomli_w


def format_overrides(overrides: Iterable[Mapping[str, object]]) -> str:
    """The overrides as tables, ready to be pasted at the end of a recipe file."""
    return "\n".join(f"[[overrides]]\n{tomli_w.dumps(override)}" for override in overrides)
