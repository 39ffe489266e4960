"""Runs whose every text field is hostile: markup, paths, emoji, control characters, 300 characters."""

import itertools

import msgspec
from runs import make_run

from edgeq.results.records import Run

TEXTS = (
    "<script>window.hacked = 1</script>",
    '"><img src=x onerror="window.hacked = 1">',
    "../../../etc/passwd",
    "\U0001f600 \u202eabc\u202c {{ 7 * 7 }} {% raw %}",
    "long-" * 60,
    "$\\frac{1}{$ \x00\x1b[31m %s </svg></style>",
    "' onmouseover='window.hacked = 1' javascript:window.hacked=1",
    "https://example.invalid/pixel.png url(https://example.invalid/x)",
)
# Fields whose text is one of a few words.
_WORDS = {"status", "kind", "clock", "unit", "phase"}


def make_hostile(shift: int, **changes) -> Run:
    """A run whose text fields hold `TEXTS` in turn from `shift` on, metric names included."""
    texts = itertools.cycle(TEXTS[shift:] + TEXTS[:shift])

    def spoil(value, key=""):
        if (
            isinstance(value, dict)
            and key in ("eager", "converted", "host", "device")
            and "profile" not in value
        ):
            return {f"{next(texts)}{index}": each for index, each in enumerate(value.values())}
        if isinstance(value, dict):
            return {name: spoil(each, name) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [spoil(each, key) for each in value]
        return next(texts) if isinstance(value, str) and key not in _WORDS else value

    return msgspec.convert(spoil(msgspec.to_builtins(make_run(**changes))), Run)
