"""Artifacts made by hand for tests of packaging: real files and hashes, a program of arbitrary bytes."""

import signal
import sys
from typing import NamedTuple

import pytest
from made import make_folder

from edgeq.cli.main import main


class Answer(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def int8(tmp_path):
    return make_folder(tmp_path / "digits.int8")


@pytest.fixture
def fp32(tmp_path):
    return make_folder(tmp_path / "digits.fp32", recipe="fp32")


@pytest.fixture
def edgeq(tmp_path, monkeypatch, capsys):
    """Run the command line in this process, with an empty store."""
    monkeypatch.setenv("EDGEQ_STORE", str(tmp_path / "runs.sqlite"))
    on_terminate = signal.getsignal(signal.SIGTERM)

    def run(*arguments, **variables):
        with monkeypatch.context() as patched:
            patched.setattr(sys, "argv", ["edgeq", *map(str, arguments)])
            for name, value in variables.items():
                patched.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
        shown = capsys.readouterr()
        return Answer(ended.value.code, shown.out, shown.err)

    yield run
    signal.signal(signal.SIGTERM, on_terminate)
