"""Text of others made harmless: a terminal obeys control characters, and a page cannot hold them."""

import re
from collections.abc import Iterable


def printable(text: str) -> str:
    """`text` with U+FFFD for every character that does not print, except newline and tab."""
    return "".join(
        char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text
    )


def conceal(text: str, words: Iterable[str]) -> str:
    """`text` with "..." for each of `words` where it stands for itself, longest first."""
    for word in sorted(filter(None, words), key=len, reverse=True):
        text = re.sub(rf"(?<![\w-]){re.escape(word)}(?![\w-])", "...", text)
    return text
