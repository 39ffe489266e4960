"""The `edgeq` command: the only place that prints errors and picks exit codes; commands load when used."""

import importlib
import os
import signal
import sys
from types import FrameType
from typing import ClassVar, NoReturn

import click

from edgeq import __version__
from edgeq.errors import EdgeqError
from edgeq.plain import printable

_INTERRUPTED = 130


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for, so that `--help` stays quick."""

    # Command: (module, one line of help). The function in the module has the command's name.
    COMMANDS: ClassVar[dict[str, tuple[str, str]]] = {
        "run": ("edgeq.cli.run", "Export a workload, bench it and write a report: the main job."),
        "export": ("edgeq.cli.export", "Turn a workload into artifacts, one for each recipe."),
        "accuracy": ("edgeq.cli.accuracy", "Show what each step costs in accuracy; a gate on it."),
        "bench": ("edgeq.cli.bench", "Measure artifacts, or .pte files made elsewhere, on devices."),
        "sweep": ("edgeq.cli.sweep", "Find the threads and cores on which an artifact is fastest."),
        "search": ("edgeq.cli.search", "Find a recipe that keeps the accuracy, at the least cost."),
        "energy": ("edgeq.cli.energy", "Give a run the energy that a bench meter recorded."),
        "report": ("edgeq.cli.report", "Show or convert stored reports; make pages of them."),
        "runs": ("edgeq.cli.store", "List, show, import or export stored runs."),
        "history": ("edgeq.cli.history", "Show a quantity over time, and where it changed."),
        "compare": ("edgeq.cli.compare", "Compare two sets of runs; a proven regression exits 1."),
        "baseline": ("edgeq.cli.baseline", "Write runs as a small file to commit, for compare."),
        "inspect": ("edgeq.cli.inspect", "Show what is in an artifact."),
        "diagnose": ("edgeq.cli.diagnose", "Find the layers in which a recipe loses accuracy."),
        "package": ("edgeq.cli.package", "Package artifacts for shipping: a bundle, or an Android library."),
        "device": ("edgeq.cli.device", "List, add, check and discover devices."),
        "doctor": ("edgeq.cli.doctor", "Check that this machine has what edgeq needs."),
    }

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All command names, in the order of the table."""
        return list(self.COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return a command, or None when there is none of that name."""
        if cmd_name not in self.COMMANDS:
            return None
        command = getattr(importlib.import_module(self.COMMANDS[cmd_name][0]), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The table of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in self.COMMANDS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgeq")
def cli() -> None:
    """Take a PyTorch model to an ARM device and say, with evidence, what it costs there.

    Exit codes: 0 done, 1 a gate said no, 2 the input is wrong, 3 export failed, 4 the device could not be
    reached, 5 the device refused or failed, 6 measured but not usable, 130 interrupted.
    """


def main() -> NoReturn:
    """Run the command line and exit."""
    signal.signal(signal.SIGTERM, _terminate)
    # PyTorch's idle threads spin, and on a busy machine take the cores from those that work: evaluating
    # digits took 15 s beside two busy processes on two cores, and 2 s with threads that sleep. It is read
    # when torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        cli.main(standalone_mode=False)
    except EdgeqError as error:
        print_error(error)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("edgeq: interrupted", err=True)
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        # The reader of stdout has gone (`edgeq ... | head`); Python must not try to flush it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        click.echo(f"error: {error.strerror or error}: {error.filename or 'on this machine'}", err=True)
        sys.exit(2)
    sys.exit(0)


def print_error(error: EdgeqError, label: str = "") -> None:
    """Write an error and its hint to stderr; either may quote a device."""
    click.secho(printable(f"error: {label}{error.message}"), err=True, fg="red")
    if error.hint:
        click.echo(printable(f"  {error.hint}"), err=True)


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
