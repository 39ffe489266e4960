"""What only the author of a model knows: preprocessing, labels, licence, limits; a TOML file that is checked.

An artifact holds none of it: the program starts at its first tensor and ends at its last. What the file does
not say is absent from the package, never guessed.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgeq.artifact import TensorSpec
from edgeq.errors import InputError
from edgeq.results.records import Record

# A Java class file holds at most 65,535 bytes of code that fills arrays, 8 for each label, mean and scale.
# The labels of each output have a class of their own; all means and scales share one with what else it says.
MOST_LABELS, MOST_LETTERS, MOST_MEANS = 4000, 200, 3500
# Java's float: larger or smaller numbers are infinite or zero there.
_LARGEST, _SMALLEST = 3e38, 1e-37


class InputFacts(Record, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Preprocessing of one input: `(raw - mean) * scale`, one number for all or one per index of `axis`."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    axis: int = 1


class OutputFacts(Record, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What each index of the last axis of one output means."""

    labels: tuple[str, ...]


class Facts(Record, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The file's content; `inputs` and `outputs` by the names in the manifest."""

    about: str = ""
    licence: str | None = None
    limits: tuple[str, ...] = ()
    inputs: dict[str, InputFacts] = msgspec.field(default_factory=dict)
    outputs: dict[str, OutputFacts] = msgspec.field(default_factory=dict)


def read_facts(path: Path) -> Facts:
    """Read the file.

    Raises:
        InputError: missing, not TOML, or a key is unknown or wrong (its path is named).
    """
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Facts)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: {error}", hint="keys: about, licence, limits, [inputs.NAME], [outputs.NAME]"
        ) from error


def check_facts(facts: Facts, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
    """Compare `facts` with the tensors that the programs have.

    Raises:
        InputError: a name that no tensor has, numbers or labels that do not fit its shape, or more of them
            than a Java class holds.
    """
    count = sum(len(preprocessing.mean) for preprocessing in facts.inputs.values())
    if count > MOST_MEANS:
        raise InputError(
            f"the inputs have {count} means: more than {MOST_MEANS} in all fit into no Java class",
            hint="give one mean and scale for an input, or prepare it in the app",
        )
    for name, preprocessing in facts.inputs.items():
        _check_input(_find(name, inputs, "input"), preprocessing)
    for name, meaning in facts.outputs.items():
        spec = _find(name, outputs, "output")
        count, wanted = len(meaning.labels), spec.shape[-1] if spec.shape else 0
        if count != wanted:
            raise InputError(f"output {name!r} has {wanted} classes and {count} labels were given")
        if count > MOST_LABELS or any(len(label) > MOST_LETTERS for label in meaning.labels):
            raise InputError(
                f"output {name!r}: more than {MOST_LABELS} labels, or one longer than {MOST_LETTERS} letters",
                hint="ship such a list as a file of the app",
            )


def _find(name: str, specs: Sequence[TensorSpec], what: str) -> TensorSpec:
    for spec in specs:
        if spec.name == name:
            return spec
    raise InputError(f"no {what} {name!r}", hint=f"there are: {', '.join(spec.name for spec in specs)}")


def _check_input(spec: TensorSpec, facts: InputFacts) -> None:
    where = f"input {spec.name!r}"
    if spec.dtype != "float32":
        raise InputError(f"{where} is {spec.dtype}: mean and scale are for float32")
    if len(facts.mean) != len(facts.scale) or not facts.mean:
        raise InputError(f"{where}: mean has {len(facts.mean)} numbers and scale {len(facts.scale)}")
    if len(facts.mean) > 1:
        length = spec.shape[facts.axis] if 0 <= facts.axis < len(spec.shape) else None
        if length != len(facts.mean):
            raise InputError(
                f"{where} is {list(spec.shape)}: {len(facts.mean)} numbers do not fit axis {facts.axis}",
                hint="give one number, or one for each channel, and the channels' axis",
            )
    if not all(x == 0 or _SMALLEST < abs(x) < _LARGEST for x in facts.mean):
        raise InputError(f"{where}: a mean is not a finite float32, or so small that it is zero there")
    if not all(_SMALLEST < abs(x) < _LARGEST for x in facts.scale):
        raise InputError(f"{where}: a scale is zero or not a finite float32")
