"""When the measured inferences of a run took place, on the device's clock."""

from collections.abc import Sequence

from edgeq.results.records import Pairing, Series

# (begin, end) in seconds, or instructions, ascending.
Spans = list[tuple[float, float]]


def measured_spans(series: Sequence[Series], pairing: Pairing | None = None) -> Spans:
    """When the measured inferences ran, on the device's clock: one span, or one for each round."""
    latency = next((each for each in series if each.name == "latency" and each.phase == "measured"), None)
    if latency is None or not latency.times or not latency.values:
        return []
    begins = pairing.rounds if pairing is not None else (0,)
    ends = [*begins[1:], len(latency.values)]
    return [
        (latency.times[begin], latency.times[end - 1] + latency.values[end - 1])
        for begin, end in zip(begins, ends, strict=True)
        if begin < end
    ]
