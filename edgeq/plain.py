"""Text of others made harmless: a terminal obeys control characters, and a page cannot hold them."""


def printable(text: str) -> str:
    """`text` with U+FFFD for every character that does not print, except newline and tab."""
    return "".join(
        char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text
    )
