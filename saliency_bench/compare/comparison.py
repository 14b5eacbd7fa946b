"""Compares a run with a baseline, row by row."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from saliency_bench.compare import quality
from saliency_bench.compare.decide import match_sides
from saliency_bench.compare.evidence import SAME_SCORES, Side, differing_facts, settings
from saliency_bench.compare.rows import TOLERANCE, Comparison
from saliency_bench.results import Results


def compare(
    baseline: Results | Path,
    run: Results | Path,
    *,
    checks: Collection[str] = (),
    tolerance: float = TOLERANCE,
    changes_allowed: bool = False,
) -> Comparison:
    """Decide whether maps depend less on what a check changes than they did in a baseline.

    By a metric, a row regresses if the gain over chance (the number, where there is no chance)
    fell, as a share of the baseline's, by more than the tolerance.

    A row regresses in three cases: the interval of the difference of `retained` (of the score,
    where maps must keep) lies beyond the tolerance; a pass became a fail and that interval lies
    beyond 0; or the run lacks a verdict that the baseline has. Runs with the same seed, images and
    conditions are paired: the difference is taken for each draw and image, in the two-way model
    of `inference`. Other runs count as independent.

    Args:
        baseline: results of a run or of a baseline, or their folder.
        run: as `baseline`.
        checks: names of the baseline's checks and metrics to compare; default: all.
        tolerance: allowed increase of the retained share of a map, in [0, 1).
        changes_allowed: whether scores may change as long as maps depend on the network as much.

    Raises:
        ValueError: if one of them is not usable, the baseline is not valid, or they share no
            verdict and no metric.
    """
    require_share(tolerance)
    before, after = Side(baseline, "the baseline"), Side(run, "the run")
    chosen = _choose(checks, before, after)
    before.require_valid("a baseline", chosen)
    keys = [key for key in dict.fromkeys([*before.keys, *after.keys]) if key[0] in chosen]
    matches = [match_sides(before, after, key) for key in keys]
    matches += quality.match_metrics(before, after, chosen)
    decisions = sum(match.decided for match in matches)
    if not decisions:
        raise ValueError("baseline and run must share a verdict; there is nothing to compare")
    given = [match for match in matches if match.old.verdict or match.new.verdict]
    return Comparison(
        rows=tuple(match.row(tolerance, decisions) for match in given),
        problems=tuple(_problems(before, after, chosen)),
        study=differing_facts(before, after, SAME_SCORES),
        settings=tuple(settings(before, after)),
        tolerance=tolerance,
        changes_allowed=changes_allowed,
    )


def require_share(tolerance: float) -> None:
    """Raise `ValueError` unless a tolerance is a share of a map."""
    if not 0 <= tolerance < 1:
        raise ValueError(f"tolerance must lie in [0, 1); got {tolerance}")


def _choose(checks: Collection[str], before: Side, after: Side) -> set[str]:
    """The checks to compare; expectations and thresholds must be the same on both sides."""
    known = {key[0] for key in before.keys} | quality.names(before)
    if unknown := set(checks) - known:
        raise ValueError(f"checks must be of the baseline: {sorted(known)}; got {sorted(unknown)}")
    chosen = set(checks) or known | {key[0] for key in after.keys} | quality.names(after)
    for check in chosen & before.expectations.keys() & after.expectations.keys():
        sides = [side.expectations[check] for side in (before, after)]
        texts = [
            f"{e.expects} {e.ceiling.name} {e.statistic}"
            + f", {e.decides} within {e.tolerance:g}" * bool(e.decides)
            for e in sides
        ]
        _require_same(f"expect of {check}", *texts)
        if before.expectations[check].statistic == "area":
            stages = [side.stages(check) for side in (before, after)]
            if all(stages):  # a side without any has no verdict either
                _require_same(f"average {check} over stages that are", *stages)
    old, new = (side.evidence.thresholds for side in (before, after))
    for name in sorted(old.keys() & new.keys()):
        _require_same(f"have as the threshold of {name}", old[name], new[name])
    return chosen


def _require_same(what: str, old: object, new: object) -> None:
    if old != new:
        raise ValueError(f"baseline and run must {what} the same; got {old} and {new}")


def _problems(before: Side, after: Side, chosen: Collection[str]) -> Iterator[str]:
    """Why the run is not valid; a run without its controls does not test the instrument."""
    yield from after.problems(chosen)
    for name in before.evidence.controls.keys() - after.evidence.controls.keys():
        yield f"control {name} is missing"
