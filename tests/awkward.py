"""Words that a shell would take for something else, which must arrive as they are."""

AWKWARD = (
    "a b",
    "",
    "it's",
    'say "hi"',
    "two\nlines",
    "$HOME `id` $(id)",
    "a\\b",
    "*",
    "~",
    "-n",
    "Größe 日本",
    "!",
)
