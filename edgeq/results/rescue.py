"""Which recipe a search gives: what each exported one lost and costs, which are beaten, which is best."""

from collections.abc import Sequence

from edgeq.results.drop import Loss
from edgeq.results.front import Costs, find_front
from edgeq.results.records import Metrics, Missing, Record, Run, Unit
from edgeq.results.stats import summarize


class Cost(Record, frozen=True, kw_only=True):
    """What a program costs on a device: the median latency on its own clock, in `unit`, and its peak RSS."""

    latency: float
    unit: Unit
    memory: int | Missing


class Option(Record, frozen=True, kw_only=True):
    """One exported recipe.

    Attributes:
        metrics: of the `.pte` on the host.
        loss: of the metric that lost most beside what is allowed.
        bytes: size of the program.
        cost: on the device, or why it is not known.
        flaw: why the device's outputs are not to be used; such a recipe is neither best nor on the front.
        is_reference: the FP32 program, there to compare with.
    """

    recipe: str
    metrics: Metrics
    loss: Loss
    bytes: int
    cost: Cost | Missing
    flaw: str | None = None
    is_reference: bool = False


class Simulation(Record, frozen=True, kw_only=True):
    """One trial on the host, simulated: no program was made. `share` of the work stays in FP32."""

    recipe: str
    metrics: Metrics
    loss: Loss
    sqnr_db: float | None
    share: float
    refused: str | None


class Rescue(Record, frozen=True, kw_only=True):
    """What a search found.

    Attributes:
        options: the exported recipes, the one that the search started with among them.
        front: names of those that no other beats in accuracy, latency, size and memory together.
        best: the one to use: the cheapest that meets everything, else the one that lost least.
        meets: whether `best` meets the drop and, when it was asked for, the bound on its cost.
    """

    schema: int = 1
    workload: str
    device: str | None
    start: str
    max_slower: float | None
    options: tuple[Option, ...]
    simulations: tuple[Simulation, ...]
    front: tuple[str, ...]
    best: str
    meets: bool


def cost_of(run: Run) -> Cost | Missing:
    """What the program of `run` costs, or why the run does not tell."""
    series = run.find_series("latency")
    if run.status != "ok" and flaw_of(run) is None:
        return Missing(missing=f"the run failed: {run.error.message if run.error else 'no reason given'}")
    if run.invalid:
        return Missing(missing=f"the run is not valid: {'; '.join(run.invalid)}")
    if series is None or not series.values:
        return Missing(missing=run.not_measured.get("latency", "no latency was measured"))
    unread = Missing(missing="memory was not read")
    memory = unread if run.memory is None else run.memory.rss_peak
    return Cost(latency=summarize(series.values).median, unit=series.unit, memory=memory)


def flaw_of(run: Run) -> str | None:
    """Why the outputs of `run` are of no use; what its program costs is known all the same."""
    if run.outputs is None or run.outputs.within is not False:
        return None
    sqnr = run.outputs.sqnr_db
    return "outputs off the reference" + ("" if sqnr is None else f" (SQNR {sqnr:.1f} dB)")


def judge_options(
    workload: str,
    device: str | None,
    start: str,
    max_slower: float | None,
    options: Sequence[Option],
    simulations: Sequence[Simulation],
) -> Rescue:
    """Find the front of `options` and the best of them; the FP32 program is on it, but never the best."""
    quantized = [each for each in options if not each.is_reference]
    limit = _limit(quantized, start, max_slower)
    meeting = [
        each for each in quantized if each.loss.within and each.flaw is None and _is_quick(each, limit)
    ]
    best = min(meeting, key=_expense) if meeting else min(quantized, key=lambda each: each.loss.excess)
    sound = [each for each in options if each.flaw is None]
    return Rescue(
        workload=workload,
        device=device,
        start=start,
        max_slower=max_slower,
        options=tuple(options),
        simulations=tuple(simulations),
        front=tuple(sound[place].recipe for place in find_front(_costs(sound))),
        best=best.recipe,
        meets=bool(meeting),
    )


def _limit(options: Sequence[Option], start: str, max_slower: float | None) -> float | None:
    """What the latency may be; None for anything. Unknown for the start, nothing is quick enough."""
    if max_slower is None:
        return None
    first = next((each.cost for each in options if each.recipe == start), None)
    return max_slower * first.latency if isinstance(first, Cost) else 0.0


def _is_quick(option: Option, limit: float | None) -> bool:
    return limit is None or (isinstance(option.cost, Cost) and option.cost.latency <= limit)


def _expense(option: Option) -> tuple[float, float, float, float]:
    """Key that sorts the cheapest first: by latency, size, memory, then by what it lost."""
    latency, memory = _measured(option)
    return latency, option.bytes, memory, option.loss.share


def _costs(options: Sequence[Option]) -> list[Costs]:
    return [(each.loss.badness, *_measured(each), each.bytes) for each in options]


def _measured(option: Option) -> tuple[float, float]:
    """Latency and memory; what is not known is as if it were endless."""
    if isinstance(option.cost, Missing):
        return float("inf"), float("inf")
    memory = option.cost.memory
    return option.cost.latency, float("inf") if isinstance(memory, Missing) else memory
