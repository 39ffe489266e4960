import pytest

from edgeq.cli.main import print_error
from edgeq.errors import DeviceError
from edgeq.plain import conceal, printable


@pytest.mark.parametrize("char", ["\x00", "\x07", "\r", "\x1b", "\x7f", "\x9b", "\u202e", "\ud800", "\ufffe"])
def test_what_does_not_print_is_replaced(char):
    assert printable(f"a{char}b") == "a\ufffdb"


def test_text_in_any_script_and_its_lines_stay():
    text = "Größe 日本 ±2 °C\n\tnext \U0001f600"
    assert printable(text) == text


def test_error_that_quotes_a_device_sends_nothing_to_the_terminal(capsys):
    print_error(DeviceError("it said \x1b]0;title\x07", hint="see \x1b[2J"), "name\x9b: ")
    assert capsys.readouterr().err == "error: name\ufffd: it said \ufffd]0;title\ufffd\n  see \ufffd[2J\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no SSH connection to 10.0.0.7 port 22", "no SSH connection to ... port 22"),
        ("pi@10.0.0.7: refused", "...@...: refused"),
        ("a pipe of 10.0.0.70 stays", "a pipe of 10.0.0.70 stays"),
        ("the key /home/pi/.ssh/id is bad", "the key ... is bad"),
    ],
)
def test_private_words_are_hidden_where_they_stand_for_themselves(text, shown):
    assert conceal(text, ["pi", "10.0.0.7", "/home/pi/.ssh/id", ""]) == shown
