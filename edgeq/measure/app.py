"""What a run inside of an Android app has beside its numbers: where they are from, how hot the phone was."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from edgeq.results.records import Conditions, Reading, RunWarning, Series, Unit
from edgeq.runner.job import AppFacts, InApp, Result

_SOURCE = "in an Android app, the way through JNI included"


def mark_in_app(series: Iterable[Series]) -> tuple[Series, ...]:
    """The same series, whose source says that they are of an app."""
    return tuple(replace(each, source=f"{each.source}, {_SOURCE}") for each in series)


def join_told(results: Sequence[Result]) -> InApp | None:
    """What the app told in all its passes, as of one: before the first, after the last, all changes."""
    told = [result.app for result in results if result.app is not None]
    if not told:
        return None
    ends = [each.after for each in told if each.after is not None]
    changes = [each.thermal_changes for each in ends if each.thermal_changes is not None]
    joined = tuple(change for each in changes for change in each) if changes else None
    after = replace(ends[-1], thermal_changes=joined) if ends else None
    return InApp(before=told[0].before, after=after)


def find_app_series(told: InApp | None) -> tuple[Series, ...]:
    """Changes of Android's thermal status (0 none to 6 shutdown) while the app ran; often none."""
    after = told.after if told else None
    if after is None or not after.thermal_changes:
        return ()
    return (
        Series(
            name="thermal_status",
            unit="1",
            phase="sampled",
            values=tuple(float(status) for _, status in after.thermal_changes),
            times=tuple(time * 1e-9 for time, _ in after.thermal_changes),
            source="Android's thermal status, told to the app",
        ),
    )


def add_app_readings(conditions: Conditions, told: InApp | None) -> Conditions:
    """The conditions with what the app told of itself and the phone, under names of its own."""
    if told is None:
        return conditions
    return Conditions(
        before={**conditions.before, **_readings(told.before)},
        after={**conditions.after, **_readings(told.after)},
    )


def _readings(facts: AppFacts | None) -> dict[str, Reading]:
    if facts is None:
        return {}
    tenths = facts.battery.get("temperature")
    current = facts.battery.get("current_now")
    return {
        "app.java_heap": _reading(facts.java_heap, "B"),
        "app.thermal_status": _reading(facts.thermal_status, "1"),
        "app.battery_temperature": _reading(None if tenths is None else tenths / 10, "degC"),
        # Phones differ in unit and sign (uA or mA, either way round), so that it is a text.
        "app.battery_current": _reading(None if current is None else f"{current} in the phone's own unit"),
    }


def _reading(value: float | str | None, unit: Unit | None = None) -> Reading:
    return (
        Reading(missing="Android did not tell the app") if value is None else Reading(value=value, unit=unit)
    )


def find_app_warnings(told: InApp | None) -> tuple[RunWarning, ...]:
    """That the phone was held back by heat, as Android told the app."""
    ends = [each.thermal_status for each in (told.before, told.after) if each] if told else []
    changes = told.after.thermal_changes if told and told.after else None
    worst = max([*(status for status in ends if status), *(status for _, status in changes or ())], default=0)
    if not worst:
        return ()
    return (
        RunWarning(
            code="thermal-status",
            message=f"Android's thermal status reached {worst} (0 is none, 6 is shutdown) while the app ran: "
            "the phone may have been held back",
            facts={"status": worst},
        ),
    )
