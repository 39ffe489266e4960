"""What the author of a model states is compared with the model."""

import pytest
from made import packed

from edgeq.errors import InputError
from edgeq.package.facts import read_facts


def test_facts_are_read_and_stand_in_the_card(int8, tmp_path):
    from edgeq.package.card import render_card

    path = tmp_path / "facts.toml"
    path.write_text(
        'about = "Digits."\nlicence = "Apache-2.0"\nlimits = ["Only at noon."]\n'
        "[inputs.images]\nmean = [1, 2]\nscale = [0.5, 0.25]\n"
        '[outputs.output]\nlabels = ["a", "b", "c"]\n'
    )
    card = render_card(packed(int8, facts=read_facts(path)))
    for words in (
        "Digits.",
        "Licence: Apache-2.0",
        "Only at noon.",
        "mean 1, 2, scale 0.5, 0.25",
        "3 classes: a, b, c",
    ):
        assert words in card


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("abuot = 1", "unknown field `abuot`"),
        ("about = 1", r"at `\$.about`"),
        ("about = ", "facts.toml"),
        ("[inputs.images]\nmean = [1]", "scale"),
        ("[inputs.image]\nmean = [1]\nscale = [1]", "no input 'image'"),
        ("[outputs.images]\nlabels = []", "no output 'images'"),
        ("[inputs.images]\nmean = [1]\nscale = [1, 2]", "mean has 1 numbers and scale 2"),
        ("[inputs.images]\nmean = []\nscale = []", "mean has 0 numbers"),
        ("[inputs.images]\nmean = [1, 2, 3]\nscale = [1, 2, 3]", "do not fit axis 1"),
        ("[inputs.images]\nmean = [1, 2]\nscale = [1, 2]\naxis = 9", "do not fit axis 9"),
        ("[inputs.images]\nmean = [nan]\nscale = [1]", "not a finite float32"),
        ("[inputs.images]\nmean = [1e-46]\nscale = [1]", "so small that it is zero"),
        ("[inputs.images]\nmean = [inf]\nscale = [1]", "not a finite float32"),
        ("[inputs.images]\nmean = [0]\nscale = [nan]", "not a finite"),
        ("[inputs.images]\nmean = [0]\nscale = [0]", "zero or not a finite"),
        ("[inputs.images]\nmean = [0]\nscale = [1e99]", "zero or not a finite"),
        ('[outputs.output]\nlabels = ["a"]', "has 3 classes and 1 labels"),
        (f'[outputs.output]\nlabels = ["a", "b", "{"c" * 201}"]', "longer than 200"),
    ],
)
def test_facts_that_do_not_fit_are_refused(int8, tmp_path, text, words):
    path = tmp_path / "facts.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        packed(int8, facts=read_facts(path))


def test_missing_facts_are_refused(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        read_facts(tmp_path / "none.toml")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "facts.toml"
    path.write_bytes(b'about = "\xff"')
    with pytest.raises(InputError, match=r"facts\.toml"):
        read_facts(path)
