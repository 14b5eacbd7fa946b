"""What a run answers, for a reader with five seconds: of what, and which explainers fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from saliency_bench.inference.quality import BETTER, RESULTS, UNDEFINED
from saliency_bench.report import view
from saliency_bench.report.text import sentences
from saliency_bench.results import Results

OPEN = ("inconclusive", "undefined")
"""Verdicts that leave the question open, in the order in which they are told."""

NAMED = 12
"""Most explainers that a headline names; of more it says how many."""


def subject(results: Results) -> str:
    """The model and its data, as far as they are known; else what was asked."""
    known = (str(results.provenance.get(name) or "") for name in ("model", "dataset"))
    return " on ".join(filter(None, known)) or ", ".join(view.ran(results)) or "a run"


def facts(results: Results) -> Iterator[tuple[str, str]]:
    """What was run, on what, and when; facts that a run lacks are left out."""
    known = results.provenance
    if known.get("model"):
        yield "model", f"{known['model']}{_accuracy(known.get('accuracy'))}"
    if known.get("dataset"):
        yield "data", str(known["dataset"])
    if known.get("n_images"):
        yield "images", str(known["n_images"])
    if view.ran(results):
        yield "checks", ", ".join(view.ran(results))
    if known.get("draws") and view.ran(results):
        yield "draws", str(known["draws"])
    if known.get("metrics"):
        yield "metrics", str(len(known["metrics"]))
    if known.get("finished"):
        yield "finished", _day(str(known["finished"]))


def _accuracy(share: float | None) -> str:
    return "" if share is None else f", right on {share:.0%} of these images"


def _day(stamp: str) -> str:
    when = datetime.fromisoformat(stamp)
    return f"{when.day} {when:%B %Y, %H:%M} UTC"


def headline(results: Results) -> str:
    """Which explainers fail; empty if nothing was judged."""
    if not view.ran(results):
        return _measured(results)
    judged = _judged(results)
    if not judged:
        return ""
    failed = {name: own["fail"] for name, own in judged.items() if "fail" in own}
    checks = _checks(results)
    what = " fail" if len(checks) == 1 else " fail a check"
    said = [f"{len(failed)} of {len(judged)}{what}{_named(failed, checks)}"]
    if not failed:
        said = [f"None of {len(judged)}{what.replace('fail', 'fails')}"]
    for verdict in OPEN:
        left = {name: own[verdict] for name, own in judged.items() if verdict in own}
        said += [f"{len(left)} {verdict}{_named(left, checks)}"] * bool(left)
    return f"{'. '.join(said)}."


def _checks(results: Results) -> list[str]:
    """The checks whose verdicts count."""
    lost = sentences.guarded(results)
    return [c for c in view.ran(results) if c not in lost and not view.is_a_number(results, c)]


def _judged(results: Results) -> dict[str, dict[str, list[str]]]:
    """The checks by verdict, of each explainer under test that has one."""
    found: dict[str, dict[str, list[str]]] = {}
    for check in _checks(results):
        for row in view.verdict_rows(results, check):
            if not row.control and row.verdict in ("pass", "fail", *OPEN):
                found.setdefault(row.explainer, {}).setdefault(row.verdict, []).append(check)
    return found


def _named(found: dict[str, list[str]], checks: list[str]) -> str:
    """Explainers, with the checks if there are several; of many, how many for each check."""
    if len(checks) == 1:
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        return f": {', '.join(list(found)[:NAMED])}{more}"
    if len(found) > NAMED:
        counts = Counter(check for own in found.values() for check in own)
        return f" ({', '.join(f'{check} {counts[check]}' for check in checks if counts[check])})"
    groups: dict[str, list[str]] = {}
    for name, own in found.items():
        where = own[0] if len(own) == 1 else f"{len(own)} of {len(checks)} checks"
        groups.setdefault(where, []).append(name)
    parts = [f"{', '.join(names)} ({where})" for where, names in groups.items()]
    return f": {'; '.join(parts)}"


def _measured(results: Results) -> str:
    """Which explainers are better than chance, where only metrics were asked."""
    controls, table = view.controls(results), results.quality
    if table.empty:
        return ""
    told = table[table["verdict"].isin(RESULTS) & (table["verdict"] != UNDEFINED)]
    told = told[~told["explainer"].isin(controls)]
    shares = (told["verdict"] == BETTER).groupby(told["explainer"], sort=False).mean()
    if shares.empty:
        return ""
    least = [str(name) for name in shares.index[shares == 0]]
    whole = [str(name) for name in shares.index[shares == 1]]
    count = told["metric"].nunique()
    by = "the metric" if count == 1 else f"all {count} metrics"
    return (
        f"Better than chance by {by}: {_some(whole, len(shares))}. By none: "
        f"{_some(least, len(shares))}."
    )


def _some(names: Iterable[str], of: int) -> str:
    chosen = list(names)
    return f"{len(chosen)} of {of}" + (f" ({', '.join(chosen)})" if chosen else "")
