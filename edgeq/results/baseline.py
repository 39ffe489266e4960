"""A baseline: what later runs are compared with, small enough to be committed and the same for the same runs.

It holds what `edgeq.results.compare` asks for and nothing of the moment or the machine that measured: no
times of day, run ids or free memory. A long series is thinned by chance: its median and its drift stay.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from edgeq.errors import InputError
from edgeq.results.compare import Key, key_of
from edgeq.results.interval import thin
from edgeq.results.likeness import keep_conditions
from edgeq.results.origin import EnergyKind, describe_energy, read_origin
from edgeq.results.records import (
    Accuracy,
    ArtifactInfo,
    Conditions,
    Delegation,
    DeviceInfo,
    Memory,
    Missing,
    Operator,
    Record,
    Run,
    Series,
    Spec,
    Unit,
)

VERSION = 1
MOST_VALUES = 200
_DIGITS = 7
_MARK = "edgeq_baseline"
_SERIES = ("latency", "first", "load", "init", "energy")


class Kernel(Record, array_like=True, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One operator as a short row: kernel, name, module, precision, delegated, calls, cost."""

    kernel: str
    name: str
    module: str | None
    precision: str
    delegated: bool
    count: int
    total: float


class Kernels(Record, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The operators of one inference, in order."""

    unit: Unit
    rows: tuple[Kernel, ...]


class Values(Record, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A series without its times; `of` is how many values it had before it was thinned."""

    unit: Unit
    of: int
    values: tuple[float, ...]


class SensorEnergy(Record, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Energies by one sensor, as `input (board)`, net or gross."""

    sensor: str
    kind: EnergyKind
    joules: Values


class Entry(Record, forbid_unknown_fields=True, omit_defaults=True, frozen=True, kw_only=True):
    """One run of the baseline, for the `Run` field of the same name.

    `energies` are those that tell their sensor; an older edgeq wrote one without it into `series`.
    """

    artifact: str
    recipe: str
    sha256: str
    bytes: int
    executorch: str | None
    torch: str | None
    device: DeviceInfo
    spec: Spec
    conditions: Conditions
    delegation: Delegation | None
    accuracy: Accuracy
    series: dict[str, Values]
    energies: tuple[SensorEnergy, ...] = ()
    memory: Memory | None
    operators: Kernels | None


class Baseline(Record, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The document."""

    edgeq_baseline: int = VERSION
    runs: tuple[Entry, ...]


def is_baseline(data: bytes) -> bool:
    """Whether a JSON document says that it is a baseline, of whatever version."""
    try:
        document = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return False
    return _MARK in document


def encode_baseline(runs: Sequence[Run]) -> bytes:
    """The baseline of `runs`, in the order of their keys whatever the order given, as UTF-8 JSON.

    Raises:
        InputError: a run failed or is not valid, or two have the same key.
    """
    entries: dict[Key, Entry] = {}
    for run in runs:
        key = key_of(run)
        if run.status != "ok" or run.device is None:
            why = run.error.message if run.error else "it has no device"
            raise InputError(f"{key} failed and cannot be a baseline: {why}", hint="measure it again")
        if run.invalid:
            raise InputError(
                f"{key} is not valid and cannot be a baseline: {'; '.join(run.invalid)}",
                hint="measure it again",
            )
        if key in entries:
            raise InputError(f"more than one run of {key}", hint="give one report for each device")
        entries[key] = _to_entry(run, run.device)
    if not entries:
        raise InputError("no runs to make a baseline of")
    ordered = sorted(entries, key=lambda key: (key.artifact, key.recipe, key.profile or ""))
    document = msgspec.to_builtins(Baseline(runs=tuple(entries[key] for key in ordered)))
    return (_format(document) + "\n").encode()


def decode_baseline(data: bytes) -> tuple[Run, ...]:
    """The runs of a baseline; what it does not hold is empty.

    Raises:
        InputError: of another version, or not a baseline: the wrong field is named.
    """
    try:
        version = msgspec.json.decode(data, type=dict[str, Any]).get(_MARK)
        if version != VERSION:
            raise InputError(
                f"a baseline of version {version!r}; this edgeq reads version {VERSION}",
                hint="write it again with `edgeq baseline`, or use the edgeq that wrote it",
            )
        baseline = msgspec.json.decode(data, type=Baseline)
    except msgspec.DecodeError as error:
        raise InputError(f"not a baseline of version {VERSION}: {error}") from error
    if unknown := _find_unknown(msgspec.json.decode(data), msgspec.to_builtins(baseline)):
        raise InputError(f"not a baseline of version {VERSION}: unknown field {unknown}")
    return tuple(_to_run(entry) for entry in baseline.runs)


def _to_entry(run: Run, device: DeviceInfo) -> Entry:
    artifact = run.artifact
    return Entry(
        artifact=artifact.name,
        recipe=artifact.recipe,
        sha256=artifact.sha256,
        bytes=artifact.bytes,
        executorch=artifact.executorch,
        torch=artifact.torch,
        device=device,
        spec=run.spec,
        conditions=keep_conditions(run.conditions),
        delegation=artifact.delegation,
        accuracy=artifact.accuracy,
        series={
            name: _thin(series)
            for name in _SERIES
            if (series := run.find_series(name)) and series.values and not read_origin(series.source)
        },
        energies=_to_energies(run),
        memory=run.memory,
        operators=_to_kernels(run.operators),
    )


def _to_energies(run: Run) -> tuple[SensorEnergy, ...]:
    told = [
        (origin, series)
        for series in run.series
        if series.name == "energy" and series.values and (origin := read_origin(series.source))
    ]
    return tuple(
        SensorEnergy(sensor=origin.sensor, kind=origin.kind, joules=_thin(series)) for origin, series in told
    )


def _to_kernels(operators: tuple[Operator, ...] | Missing) -> Kernels | None:
    if isinstance(operators, Missing) or not operators:
        return None
    rows = [{name: getattr(row, name) for name in Kernel.__struct_fields__} for row in operators]
    return Kernels(
        unit=operators[0].unit, rows=tuple(Kernel(**row | {"total": _round(row["total"])}) for row in rows)
    )


def _thin(series: Series) -> Values:
    kept = thin(np.asarray(series.values, dtype=np.float64), MOST_VALUES)
    values = tuple(_round(float(value)) for value in kept)
    return Values(unit=series.unit, of=len(series.values), values=values)


def _round(value: float) -> float:
    """To seven significant digits, and whole numbers without a fraction."""
    rounded = float(f"{value:.{_DIGITS}g}") if abs(value) < 10**_DIGITS else float(round(value))
    return int(rounded) if rounded.is_integer() else rounded


def _to_run(entry: Entry) -> Run:
    operators: tuple[Operator, ...] | Missing
    if entry.operators is None:
        operators = Missing(missing="not in the baseline")
    else:
        operators = tuple(
            Operator(unit=entry.operators.unit, **msgspec.structs.asdict(row)) for row in entry.operators.rows
        )
    return Run(
        id="baseline",
        created="",
        status="ok",
        artifact=ArtifactInfo(
            name=entry.artifact,
            recipe=entry.recipe,
            sha256=entry.sha256,
            bytes=entry.bytes,
            executorch=entry.executorch,
            torch=entry.torch,
            delegation=entry.delegation,
            accuracy=entry.accuracy,
        ),
        device=entry.device,
        spec=entry.spec,
        conditions=entry.conditions,
        series=tuple(
            Series(name=name, unit=each.unit, phase="measured", values=each.values, source=source)
            for name, each, source in _list_series(entry)
        ),
        memory=entry.memory,
        operators=operators,
    )


def _list_series(entry: Entry) -> Iterator[tuple[str, Values, str]]:
    """Name, values and source of each series."""
    for name, values in entry.series.items():
        yield name, values, "baseline"
    for each in entry.energies:
        yield "energy", each.joules, describe_energy(f"{each.sensor}: baseline", each.kind, each.joules.of)


def _find_unknown(given: Any, known: Any, path: str = "$") -> str | None:  # noqa: ANN401 - any JSON
    """The first key of `given` that `known` lacks; the parts of a Run do not refuse them themselves."""
    if isinstance(given, dict) and isinstance(known, dict):
        for key, value in given.items():
            if key not in known:
                return None if value is None else f"{path}.{key}"
            if found := _find_unknown(value, known[key], f"{path}.{key}"):
                return found
    elif isinstance(given, list) and isinstance(known, list | tuple):
        for index, (one, other) in enumerate(zip(given, known, strict=False)):
            if found := _find_unknown(one, other, f"{path}[{index}]"):
                return found
    return None


def _format(value: Any, indent: str = "") -> str:  # noqa: ANN401 - any JSON
    """Indented JSON whose innermost lists stand on one line: a kernel or a series is one line of a diff."""
    inner = indent + " "
    if isinstance(value, dict) and value:
        lines = [f"{inner}{_format(key)}: {_format(each, inner)}" for key, each in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list | tuple) and any(isinstance(each, dict | list | tuple) for each in value):
        return "[\n" + ",\n".join(f"{inner}{_format(each, inner)}" for each in value) + f"\n{indent}]"
    return msgspec.json.encode(value).decode()
