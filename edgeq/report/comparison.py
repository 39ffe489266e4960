"""A comparison made readable: text for a terminal, Markdown for a CI comment; the verdict stands first."""

import html
from collections.abc import Sequence

from tabulate import tabulate

from edgeq.report.markdown import escape
from edgeq.report.section import Row, Section
from edgeq.results.blame import RESOLUTION, Blame, Part
from edgeq.results.compare import Comparison, Finding, Key, Pair
from edgeq.results.likeness import Difference
from edgeq.results.limits import Limit, find_gate
from edgeq.results.records import Missing, Unit
from edgeq.units import format_quantity

_MOST = 10
_HEADER = ("quantity", "base", "new", "change", "limit", "verdict")
_BLAME_HEADER = ("layer or kernel", "base", "new", "change", "what")
_VERDICTS = {"regressed": "regressed", "undecided": "cannot tell", "passed": "no regression"}


def headline(comparison: Comparison) -> str:
    """The verdict of the whole in one line, the worst named first."""
    regressed = _name_findings(comparison, "regressed")
    undecided = _name_findings(comparison, "undecided")
    pairs = f"{len(comparison.pairs)} pair{'s' if len(comparison.pairs) > 1 else ''} compared"
    if regressed:
        more = f" Besides, cannot tell: {'; '.join(undecided)}." if undecided else ""
        return f"Regression: {'; '.join(regressed)}.{more}"
    if undecided:
        return f"No regression is proven, but this cannot be told: {'; '.join(undecided)}."
    if lacking := comparison.list_unmeasured():
        return f"No regression: {pairs}, but not measured in NEW: {'; '.join(lacking)}."
    return f"No regression: {pairs}."


def comparison_sections(comparison: Comparison) -> list[Section]:
    """The headline, then for each pair its quantities and where the change comes from, then the unmatched."""
    sections = [Section("Verdict", (headline(comparison),))]
    for pair in comparison.pairs:
        rows = tuple(_finding_row(pair, finding) for finding in pair.findings)
        title = f"{pair.key}: {_VERDICTS.get(pair.outcome, pair.outcome)}"
        sections.append(Section(title, _pair_sentences(pair), _HEADER, rows))
        sentences, rows = _blame_rows(pair)
        if sentences or rows:
            sections.append(
                Section(f"{pair.key}: where the change comes from", sentences, _BLAME_HEADER, rows)
            )
    if alone := _alone(comparison):
        sections.append(Section("Without a partner", alone))
    return sections


def render_comment(comparison: Comparison) -> str:
    """GitHub-flavoured Markdown: the verdict, tables of pairs that need a look; the rest is folded away."""
    parts = [f"**edgeq: {escape(headline(comparison))}**", ""]
    for pair in comparison.pairs:
        title = f"{pair.key}: {_VERDICTS.get(pair.outcome, pair.outcome)}"
        body = [line for sentence in _pair_sentences(pair) for line in (escape(sentence), "")]
        body += [_table(_HEADER, [_finding_row(pair, finding) for finding in pair.findings]), ""]
        sentences, rows = _blame_rows(pair)
        if sentences or rows:
            inside = [line for sentence in sentences for line in (escape(sentence), "")]
            body += _fold(
                _blame_summary(pair), [*inside, *([_table(_BLAME_HEADER, rows), ""] if rows else [])]
            )
        quiet = pair.outcome in ("passed", "not judged")
        parts += _fold(title, body) if quiet else [f"### {escape(title)}", "", *body]
    parts += [line for sentence in _alone(comparison) for line in (escape(sentence), "")]
    return "\n".join(parts)


def _fold(summary: str, body: Sequence[str]) -> list[str]:
    # Inside a summary Markdown is not read, HTML is.
    return [
        f"<details><summary>{html.escape(' '.join(summary.split()))}</summary>",
        "",
        *body,
        "</details>",
        "",
    ]


def _table(header: Row, rows: Sequence[Row]) -> str:
    cells = [[escape(cell) for cell in row] for row in rows]
    return tabulate(cells, headers=header, tablefmt="pipe", disable_numparse=True)


def _name_findings(comparison: Comparison, outcome: str) -> list[str]:
    named = []
    for pair in comparison.pairs:
        found = [_name_finding(f) for f in pair.findings if f.verdict.outcome == outcome]
        if found:
            named.append(f"{pair.key}: {', '.join(found)}{_dearest(pair) if outcome == 'regressed' else ''}")
    return named


def _dearest(pair: Pair) -> str:
    """The layer or kernel that became dearer by the most, when one did."""
    dearer = [blame for blame in _worth_showing(pair) if blame.delta >= RESOLUTION[blame.unit]]
    return f"; most of all {_name_blame(dearer[0])}" if dearer else ""


def _name_blame(blame: Blame) -> str:
    notes = f" ({', '.join(blame.notes)})" if blame.notes else ""
    return f"{blame.name} {_delta(blame)}{notes}"


def _name_finding(finding: Finding) -> str:
    if finding.quantity == "status" or isinstance(finding.new, Missing):
        return f"{finding.quantity} ({finding.verdict.reason})"
    limit = f" (limit {_limit(finding)})" if finding.limit is not None else ""
    # A count of an emulated device is never called a latency.
    name = "instructions" if (finding.quantity, finding.unit) == ("latency", "insn") else finding.quantity
    if finding.quantity == "energy" and finding.where:
        name += f" of {finding.where},"
    return f"{name} {_change(finding) or finding.verdict.reason}{limit}"


def _pair_sentences(pair: Pair) -> tuple[str, ...]:
    sentences = []
    if pair.clock == "instructions":
        sentences.append("Emulated, instruction clock: counts are compared exactly; they are not time.")
    if pair.clock == "none":
        sentences.append("Emulated, no clock: nothing was timed, and so no latency is compared.")
    if pair.allowed:
        sentences.append(f"Unlike conditions, allowed by the user: {_differences(pair.allowed)}.")
    if _is_same_program(pair):
        sentences.append("The program is the same to the byte.")
    versions = [change for change in pair.changed if change.name != "program"]
    if versions:
        sentences.append(f"Versions: {_differences(versions)}.")
    reasons = [f for f in pair.findings if f.verdict.reason and f.verdict.outcome != "not judged"]
    sentences += [f"{_label(pair, f)}: {f.verdict.reason}." for f in reasons]
    return tuple(sentences)


def _differences(differences: Sequence[Difference]) -> str:
    return "; ".join(f"{each.name} {each.base} -> {each.new}" for each in differences)


def _finding_row(pair: Pair, finding: Finding) -> Row:
    return (
        _label(pair, finding),
        _value(finding, finding.base),
        _value(finding, finding.new),
        _change(finding),
        _limit(finding),
        _verdict(finding),
    )


def _label(pair: Pair, finding: Finding) -> str:
    if finding.quantity == "status":
        return "status"
    if finding.quantity == "latency" and pair.clock == "instructions":
        return "instructions per inference (emulated), median"
    is_score = finding.quantity.startswith("accuracy.")
    name = finding.quantity.removeprefix("accuracy.") if is_score else find_gate(finding.quantity).about
    return f"{name}, {finding.where}" if finding.where else name


def _value(finding: Finding, value: float | str | Missing) -> str:
    if isinstance(value, Missing):
        return "not measured"
    if isinstance(value, str):
        return value
    scale = find_gate(finding.quantity).scale
    if scale == "score":
        return f"{value:.4f}"
    return f"{value:.0f}" if scale == "count" else format_quantity(value, finding.unit or "1")


def _change(finding: Finding) -> str:
    """How much it changed: a share with its interval, or a difference; empty when that cannot be said."""
    base, new = finding.base, finding.new
    if isinstance(base, str | Missing) or isinstance(new, str | Missing):
        return ""
    scale = find_gate(finding.quantity).scale
    if scale == "score":
        return f"{(new - base) * 100:+.2f} pt".replace("+0.00", "0.00").replace("-0.00", "0.00")
    if scale == "count":
        return f"{new - base:+.0f}" if new != base else "0"
    if finding.verdict.ratio is None:
        return "from zero" if new else "0"
    text = _percent(finding.verdict.ratio)
    if finding.verdict.low is not None and finding.verdict.high is not None:
        text += f" ({_percent(finding.verdict.low)} to {_percent(finding.verdict.high)})"
    return text


def _percent(ratio: float) -> str:
    """A ratio as a change, e.g. `+1.2%`; one that rounds to nothing is `0.0%`."""
    return f"{ratio - 1:+.1%}".replace("+0.0%", "0.0%").replace("-0.0%", "0.0%")


def _limit(finding: Finding) -> str:
    limit: Limit | None = finding.limit
    if limit is None:
        return ""
    if limit.relative is not None:
        return f"{limit.relative * 100:g}%"
    amount = limit.absolute or 0.0
    scale = find_gate(finding.quantity).scale
    if scale == "score":
        return f"{amount * 100:g} pt"
    return f"{amount:g}" if scale == "count" else format_quantity(amount, finding.unit or "1")


def _verdict(finding: Finding) -> str:
    verdict = finding.verdict
    word = verdict.change
    if finding.unit == "s" and word in ("better", "worse"):
        change = "faster" if word == "better" else "slower"
    else:
        change = word
    if verdict.outcome == "regressed":
        return f"REGRESSED ({change})" if finding.unit == "s" else "REGRESSED"
    if verdict.outcome == "undecided" and word == "worse":
        return f"{change}; whether beyond the limit: cannot tell"
    return f"{change}, within the limit" if verdict.outcome == "passed" and word == "worse" else change


def _blame_rows(pair: Pair) -> tuple[tuple[str, ...], tuple[Row, ...]]:
    """Sentences and the dearest rows; nothing at all when nothing of note changed."""
    if isinstance(pair.blame, Missing):
        failed = any(f.quantity == "status" and f.new != "ok" for f in pair.findings)
        return (pair.notes if failed else (*pair.notes, f"Layers: not compared: {pair.blame.missing}.")), ()
    worth = _worth_showing(pair)
    shown = worth[:_MOST]
    sentences = list(pair.notes)
    if len(worth) > len(shown):
        rest = _signed(sum(blame.delta for blame in worth[_MOST:]), shown[0].unit)
        sentences.append(f"{len(worth) - _MOST} more layers and kernels changed, by {rest} together.")
    rows = tuple(
        (blame.name, _cost(blame.base, blame), _cost(blame.new, blame), _delta(blame), ", ".join(blame.notes))
        for blame in shown
    )
    return tuple(sentences), rows


def _worth_showing(pair: Pair) -> list[Blame]:
    """What changed by more than the resolution of the trace, or in kind; nothing if the whole did not.

    Tracing itself costs a little more or less each time.
    """
    same = [f.verdict.change == "same" for f in pair.findings if f.quantity == "latency"]
    if isinstance(pair.blame, Missing) or (all(same) and _is_same_program(pair)):
        return []
    return [blame for blame in pair.blame if abs(blame.delta) >= RESOLUTION[blame.unit] or blame.notes]


def _is_same_program(pair: Pair) -> bool:
    return not any(change.name == "program" for change in pair.changed)


def _blame_summary(pair: Pair) -> str:
    if not (worth := _worth_showing(pair)):
        return "Where the change comes from"
    more = f" and {len(worth) - 1} more" if len(worth) > 1 else ""
    return f"Where the change comes from: {_name_blame(worth[0])}{more}"


def _cost(part: Part | None, blame: Blame) -> str:
    if part is None:
        return ""
    least = RESOLUTION[blame.unit]
    if part.total < least:
        return f"< {format_quantity(least, blame.unit)}"
    return format_quantity(part.total, blame.unit)


def _delta(blame: Blame) -> str:
    return _signed(blame.delta, blame.unit)


def _signed(delta: float, unit: Unit) -> str:
    if abs(delta) < RESOLUTION[unit]:
        return "about 0"
    return f"{'-' if delta < 0 else '+'}{format_quantity(abs(delta), unit)}"


def _alone(comparison: Comparison) -> tuple[str, ...]:
    def sentence(keys: Sequence[Key], text: str) -> tuple[str, ...]:
        return (f"{text}: {', '.join(map(str, keys))}.",) if keys else ()

    return (
        *sentence(comparison.only_base, "In the base, but not measured now"),
        *sentence(comparison.only_new, "New, with nothing to compare it with"),
    )
