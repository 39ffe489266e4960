"""Which of several recipes a device runs: rules that ask for CPU features, stated or taken from measurements.

The rules are data; the first whose needs the CPU has decides, and the last needs nothing.
"""

from collections.abc import Mapping, Sequence

from edgeq.errors import InputError
from edgeq.package.gate import Place, name_way, place_of
from edgeq.results.records import Record, Run
from edgeq.results.stats import summarize
from edgeq.units import format_quantity

# Name for people: the word in the Features line of /proc/cpuinfo (Linux, arch/arm64/elf_hwcaps).
FEATURES: dict[str, str] = {"dotprod": "asimddp", "i8mm": "i8mm"}


class Rule(Record, frozen=True, kw_only=True):
    """Run `recipe` on a CPU with all of `needs` (words of /proc/cpuinfo); `why` is for people."""

    needs: tuple[str, ...]
    recipe: str
    why: str


def parse_needs(texts: Sequence[str], recipes: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read `RECIPE=FEATURE[,FEATURE]`.

    Raises:
        InputError: malformed, or an unknown recipe or feature; the known ones are listed.
    """
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        recipe, _, names = text.partition("=")
        features = tuple(name for name in names.split(",") if name)
        if not features:
            raise InputError(f"--needs {text}: no feature", hint="write it like int8=dotprod")
        if recipe not in recipes:
            raise InputError(f"--needs {text}: no recipe {recipe!r}", hint=f"there are: {', '.join(recipes)}")
        for name in features:
            if name not in FEATURES:
                raise InputError(
                    f"--needs {text}: no feature {name!r}", hint=f"there are: {', '.join(FEATURES)}"
                )
        found[recipe] = tuple(sorted({*found.get(recipe, ()), *(FEATURES[name] for name in features)}))
    return found


def rules_by_needs(recipes: Sequence[str], needs: Mapping[str, tuple[str, ...]]) -> tuple[Rule, ...]:
    """One rule for each recipe, in order.

    Raises:
        InputError: a recipe that could never be picked, or no recipe for every CPU.
    """
    rules: list[Rule] = []
    for recipe in recipes:
        asked = needs.get(recipe, ())
        for earlier in rules:
            if set(earlier.needs) <= set(asked):
                raise InputError(
                    f"recipe {recipe!r} could never be picked: {earlier.recipe!r} comes first and runs there",
                    hint="name the more demanding one first, and say --needs or --pick measured",
                )
        why = f"the CPU has {' and '.join(asked)}" if asked else "any CPU"
        rules.append(Rule(needs=asked, recipe=recipe, why=why))
    if rules[-1].needs:
        raise InputError(
            "no recipe is left for a CPU without these features", hint="name last one without --needs"
        )
    return tuple(rules)


def rules_by_measurement(recipes: Sequence[str], runs: Sequence[Run]) -> tuple[Rule, ...]:
    """The quickest recipe of each kind of ARM core that `runs` measured; for others the first recipe.

    Recipes are compared in one place only: one device, number of threads and choice of cores, as a program
    or in an app. Runs that are not valid do not count. Runs on hardware count when there are any, else
    those of emulated boards.

    Raises:
        InputError: no device ran all recipes, or devices with the same features disagree.
    """
    devices = _complete(recipes, runs)
    if not devices:
        raise InputError(
            f"no ARM device has valid runs of all of {', '.join(recipes)} that may be compared",
            hint="bench them together, in the same way, or say --needs",
        )
    winners: dict[tuple[str, ...], Rule] = {}
    for features, medians in devices:
        best = min(recipes, key=lambda recipe: medians[recipe][0])
        rule = Rule(needs=features, recipe=best, why=_explain(recipes, medians))
        known = winners.setdefault(features, rule)
        if known.recipe != best:
            raise InputError(
                f"measurements disagree for a CPU with {' '.join(features) or 'no such feature'}: "
                f"{known.recipe} by {known.why}; {best} by {rule.why}",
                hint="name the runs that count with --report, or say --needs",
            )
    rules = sorted(winners.values(), key=lambda rule: (-len(rule.needs), rule.needs))
    if rules[-1].needs:
        rules.append(
            Rule(needs=(), recipe=recipes[0], why="no such CPU was measured: the recipe that was named first")
        )
    return tuple(rules)


# By recipe: median latency, and the run that it is of.
_Medians = dict[str, tuple[float, Run]]


def _complete(recipes: Sequence[str], runs: Sequence[Run]) -> list[tuple[tuple[str, ...], _Medians]]:
    groups: dict[Place, _Medians] = {}
    for run in runs:
        series, place = run.find_series("latency"), place_of(run)
        usable = run.standing == "ok" and run.device is not None and run.device.arch in ("aarch64", "arm64")
        if usable and place is not None and series is not None and series.values:
            median = summarize(series.values).median
            groups.setdefault(place, {})[run.artifact.recipe] = (median, run)
    whole = [medians for _, medians in sorted(groups.items()) if set(recipes) <= set(medians)]
    real = [medians for medians in whole if _device_kind(medians) == "hardware"]
    return [(_features(medians), medians) for medians in real or whole]


def _device_kind(medians: _Medians) -> str:
    return next(run.device.kind for _, run in medians.values() if run.device is not None)


def _features(medians: _Medians) -> tuple[str, ...]:
    told = {word for _, run in medians.values() if run.device is not None for word in run.device.features}
    return tuple(sorted(told & set(FEATURES.values())))


def _explain(recipes: Sequence[str], medians: _Medians) -> str:
    parts = []
    device = ""
    for recipe in recipes:
        median, run = medians[recipe]
        series = run.find_series("latency")
        unit = series.unit if series is not None else "1"
        parts.append(f"{recipe} {format_quantity(median, unit)}")
        if run.device is not None:
            device = f"{run.device.profile} ({run.device.kind}, {run.spec.threads} thread{name_way(run)})"
    return f"{device}: {', '.join(parts)}"
