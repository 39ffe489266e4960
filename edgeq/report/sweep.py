"""What a sweep over threads and cores found, as a section of a report."""

from edgeq.report.section import Section
from edgeq.results.interval import CONFIDENCE
from edgeq.results.sweep import Place, Recommendation
from edgeq.units import format_quantity


def sweep_section(found: Recommendation, artifact: str, device: str) -> Section:
    """The recommendation first, then every setting, the fastest first."""
    sure = "surely" if found.sure else "as far as can be told"
    answer = f"Use {found.setting} for {artifact} on {device}, {sure}: {found.reason}."
    rests = (
        "All settings ran in turn, in random order. "
        f"The intervals of all pairs hold together with {CONFIDENCE:.0%}."
    )
    rows = tuple(
        (
            str(place.setting),
            format_quantity(place.typical, place.unit),
            _beside(place),
            *(
                "not measured" if size is None else format_quantity(size, "B")
                for size in (place.heap, place.rss)
            ),
            "recommended" if place.setting == found.setting else "",
        )
        for place in found.places
    )
    header = ("setting", "typical", "beside the fastest", "peak heap", "peak RSS", "")
    return Section("Threads and cores", (answer, rests), header, rows)


def _beside(place: Place) -> str:
    if place.low is None or place.high is None:
        return ""
    word = "slower" if place.is_slower else "no difference seen"
    return f"{word}, {place.low:.4g}x to {place.high:.4g}x"
