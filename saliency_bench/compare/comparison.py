"""A run against a baseline."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

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
    """Whether maps have come to depend less on what a check changes.

    A row regresses if the interval of the difference of `retained` (of the score, where maps must
    keep) lies beyond the tolerance; if a pass became a fail and that interval lies beyond 0; or if
    there was a verdict and is none. Runs with the same seed, images and conditions are paired: the
    difference is taken draw by draw and image by image, in the two-way model of `inference`. Else
    both are taken for independent.

    Args:
        baseline: results of a run or of a baseline, or their folder.
        run: as `baseline`.
        checks: of the baseline, that alone are compared; default: all.
        tolerance: how much more of a map may be retained, in [0, 1).
        changes_allowed: whether scores may change as long as their dependence does not.

    Raises:
        ValueError: if one is not usable, the baseline is not valid, or nothing can be compared.
    """
    require_share(tolerance)
    before, after = Side(baseline, "the baseline"), Side(run, "the run")
    chosen = _chosen(checks, before, after)
    before.require_valid("a baseline", chosen)
    keys = [key for key in dict.fromkeys([*before.keys, *after.keys]) if key[0] in chosen]
    found = [match_sides(before, after, key) for key in keys]
    decisions = sum(match.decided for match in found)
    if not decisions:
        raise ValueError("baseline and run must share a verdict; there is nothing to compare")
    given = [match for match in found if match.old.verdict or match.new.verdict]
    return Comparison(
        rows=tuple(match.row(tolerance, decisions) for match in given),
        problems=tuple(_problems(before, after, chosen)),
        study=differing_facts(before, after, SAME_SCORES),
        settings=tuple(settings(before, after)),
        tolerance=tolerance,
        changes_allowed=changes_allowed,
    )


def require_share(tolerance: float) -> None:
    """Raises `ValueError` unless a tolerance is a share of a map."""
    if not 0 <= tolerance < 1:
        raise ValueError(f"tolerance must lie in [0, 1); got {tolerance}")


def _chosen(checks: Collection[str], before: Side, after: Side) -> set[str]:
    """The checks to compare; they must promise and ask the same on both sides."""
    known = {key[0] for key in before.keys}
    if strange := set(checks) - known:
        raise ValueError(f"checks must be of the baseline: {sorted(known)}; got {sorted(strange)}")
    chosen = set(checks) or known | {key[0] for key in after.keys}
    for check in chosen & before.expectations.keys() & after.expectations.keys():
        sides = [side.expectations[check] for side in (before, after)]
        told = [f"{e.expects} {e.ceiling.name} {e.statistic}" for e in sides]
        _require_same(f"expect of {check}", *told)
    lines = [side.evidence.thresholds for side in (before, after)]
    for name in sorted(lines[0].keys() & lines[1].keys()):
        _require_same(f"have as the threshold of {name}", lines[0][name], lines[1][name])
    return chosen


def _require_same(what: str, old: object, new: object) -> None:
    if old != new:
        raise ValueError(f"baseline and run must {what} the same; got {old} and {new}")


def _problems(before: Side, after: Side, chosen: Collection[str]) -> Iterator[str]:
    """Why the run means nothing; a run that lost its controls no longer proves itself."""
    yield from after.problems(chosen)
    for name in before.evidence.controls.keys() - after.evidence.controls.keys():
        yield f"control {name} is missing"
