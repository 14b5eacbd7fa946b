"""A run against a baseline."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from saliency_bench.compare.judging import Judge
from saliency_bench.compare.rows import TOLERANCE, Comparison
from saliency_bench.compare.sides import STUDY, Side, differing, settings
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
    if not 0 <= tolerance < 1:
        raise ValueError(f"tolerance must lie in [0, 1); got {tolerance}")
    before, after = Side(baseline), Side(run)
    before.require_valid("a baseline")
    chosen = _chosen(checks, before, after)
    keys = [k for k in dict.fromkeys([*before.areas, *after.areas]) if k[0] in chosen]
    common = [key for key in keys if key in before.areas and key in after.areas]
    if not common:
        raise ValueError("baseline and run must share a verdict; there is nothing to compare")
    pairs = zip(before.cases(common), after.cases(common), strict=True)
    matched = {case.key: (case, other) for case, other in pairs}
    study = differing(before, after, STUDY)
    judge = Judge(before, after, tolerance, len(common), same_study=not study)
    return Comparison(
        rows=tuple(judge.row(key, matched.get(key)) for key in keys),
        problems=tuple(_problems(before, after, chosen)),
        study=study,
        settings=tuple(settings(before, after)),
        tolerance=tolerance,
        changes_allowed=changes_allowed,
    )


def _chosen(checks: Collection[str], before: Side, after: Side) -> set[str]:
    """The checks to compare; they must promise the same on both sides."""
    known = {key[0] for key in before.areas}
    if strange := set(checks) - known:
        raise ValueError(f"checks must be of the baseline: {sorted(known)}; got {sorted(strange)}")
    chosen = set(checks) or known | {key[0] for key in after.areas}
    for check in chosen & before.expectations.keys() & after.expectations.keys():
        sides = [side.expectations[check] for side in (before, after)]
        told = [(e.expects, e.anchor, e.statistic) for e in sides]
        if told[0] != told[1]:
            raise ValueError(
                f"baseline and run must expect the same of a check; they do not of {check}: "
                f"{' '.join(told[0])} and {' '.join(told[1])}"
            )
    return chosen


def _problems(before: Side, after: Side, chosen: Collection[str]) -> Iterator[str]:
    """Why the run means nothing; a run that lost its controls no longer proves itself."""
    yield from after.results.guards
    yield from after.results.problems
    for name in before.facts["controls"].keys() - after.facts["controls"].keys():
        yield f"control {name} is missing"
