import pytest

from edgeq.cli.main import print_error
from edgeq.errors import DeviceError
from edgeq.plain import printable


@pytest.mark.parametrize("char", ["\x00", "\x07", "\r", "\x1b", "\x7f", "\x9b", "\u202e", "\ud800", "\ufffe"])
def test_what_does_not_print_is_replaced(char):
    assert printable(f"a{char}b") == "a\ufffdb"


def test_text_in_any_script_and_its_lines_stay():
    text = "Größe 日本 ±2 °C\n\tnext \U0001f600"
    assert printable(text) == text


def test_error_that_quotes_a_device_sends_nothing_to_the_terminal(capsys):
    print_error(DeviceError("it said \x1b]0;title\x07", hint="see \x1b[2J"), "name\x9b: ")
    assert capsys.readouterr().err == "error: name\ufffd: it said \ufffd]0;title\ufffd\n  see \ufffd[2J\n"
