"""From the values of one metric on one network to answers, and from answers to a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from experiments.metric_reliability.variants import (
    CHANCE,
    DISTURBED,
    LEAST,
    MOST,
    OWN,
    REDRAWN,
    RETEST,
    RETEST_CHANCE,
)
from saliency_bench.inference.intervals import UNKNOWN, Interval
from saliency_bench.inference.metric_reliability import (
    MetaConsistency,
    agreement,
    between_explainers,
    consistency,
    meta_consistency,
)
from saliency_bench.inference.quality import SURELY
from saliency_bench.inference.reliability import intraclass

AGREES = 0.65
"""Least correlation that counts as agreement: a convention."""

KEEPING = ("guided_backprop", "guided_grad_cam", "lrp_z_plus")
"""Explainers whose maps largely survive a redraw, so that their scores need not get worse."""

BELIEVED, OPEN, NOT_BELIEVED = "believed", "cannot be told", "not believed"
YES, NO, UNANSWERED = "yes", "no", "open"
RIGHT, WRONG = "right", "wrong"

Values = Mapping[str, pd.DataFrame]
"""By variant, a row per image and a column per explainer or control; larger is better."""

Bools = NDArray[np.bool_]


class Answer(NamedTuple):
    """The answer to one question, and the number behind it with its 95 % interval."""

    question: str
    what: str
    number: Interval
    bar: float

    @property
    def said(self) -> str:
        """Yes, no or open; empty without a number."""
        if not np.isfinite(self.number.value):
            return ""
        if self.number.low >= self.bar and self.number.value > self.bar:
            return YES
        return NO if self.number.high <= self.bar else UNANSWERED


class Control(NamedTuple):
    """One control: the number that decides, with its interval, and whether it is as known."""

    name: str
    number: Interval
    result: str


@dataclass(frozen=True)
class Reliability:
    """All that is known of the reliability of one metric on one network.

    Attributes:
        n_images: on which every explainer has a value.
        n_explainers: that have a value on most images.
        answers: to the questions that apply.
        controls: with a known result.
        alpha_values: as `images`, of the values and not of the gains.
        icc: of a single image's gain under two seeds, ICC(2,1).
        internal: rank correlation over images of two variants, mean over variants and explainers.
        between: rank correlation over images of two explainers, mean over pairs.
        meta: of MetaQuantus; None where a redraw says nothing.
    """

    n_images: int
    n_explainers: int
    answers: tuple[Answer, ...]
    controls: tuple[Control, ...]
    alpha_values: float
    icc: float
    internal: float
    between: float
    meta: MetaConsistency | None

    @property
    def verdict(self) -> str:
        """Whether the metric can be believed on the network."""
        said = [answer.said for answer in self.answers]
        results = [control.result for control in self.controls]
        if NO in said or WRONG in results:
            return NOT_BELIEVED
        if not results or {UNANSWERED} & {*said, *results}:
            return OPEN
        return BELIEVED

    def weakest(self, question: str) -> Answer | None:
        """The answer to a question with the lowest number; None if it does not apply."""
        own = [a for a in self.answers if a.question == question and a.said]
        return min(own, key=lambda answer: float(answer.number.value), default=None)

    def reasons(self) -> Iterator[str]:
        """What stands against the metric, a phrase each; what is only open if nothing does."""
        doubts = [c.name for c in self.controls if c.result == WRONG]
        doubts += [f"{a.question}: {a.what}" for a in self.answers if a.said == NO]
        if doubts or self.verdict != OPEN:
            yield from doubts
            return
        if not self.controls:
            yield "no control has a known result"
        yield from (f"{c.name} open" for c in self.controls if c.result == UNANSWERED)
        yield from (f"{a.question} open: {a.what}" for a in self.answers if a.said == UNANSWERED)


def judge(
    tested: Values, controls: Values, expected: Mapping[str, str], partner: Values | None = None
) -> Reliability:
    """The reliability of one metric on one network.

    Args:
        tested: of the explainers under test.
        controls: of the controls, `OWN` and `CHANCE`.
        expected: `better` or `not better` by the name of the control; `inverted NAME` must be worse
            than NAME.
        partner: the metric that takes the opposite order, for deletion and insertion.
    """
    (own,) = _shared(tested[OWN])
    gains = _gains(tested, OWN, CHANCE)
    pairs = list(_variant_pairs(tested, partner))
    compared = [(what, consistency(*_arrays(one, other))) for what, one, other in pairs]
    again = _gains(tested, RETEST, RETEST_CHANCE)
    answers = [
        Answer("images", "alpha", agreement(*_arrays(gains)), 0.0),
        *(Answer("variants", what, found.means, AGREES) for what, found in compared),
        Answer("repetition", "seeds", consistency(*_arrays(gains, again)).means, AGREES),
        Answer("disturbance", "noise of 1 %",
               consistency(*_arrays(own, tested[DISTURBED])).means, AGREES),
    ]  # fmt: skip
    meta = None
    if REDRAWN in tested:
        worse = _worse(tested[OWN], tested[REDRAWN])
        answers.append(Answer("redraw", "redrawn network", worse, 0.5))
        meta = meta_consistency(*_arrays(own, tested[DISTURBED], tested[REDRAWN]))
    first, second = _arrays(gains, again)
    internal = [found.images for _, found in compared if np.isfinite(found.images)]
    return Reliability(
        len(own), own.shape[1], tuple(a for a in answers if np.isfinite(a.number.value)),
        tuple(_controls(controls, expected)), float(agreement(own.to_numpy()).value),
        float(intraclass(np.stack([first.ravel(), second.ravel()])).one.value),
        float(np.mean(internal)) if internal else float("nan"),
        between_explainers(own.to_numpy()), meta,
    )  # fmt: skip


def _gains(values: Values, of: str, beside: str) -> pd.DataFrame:
    """The gains; the values themselves where there is no chance."""
    return values[of] - values[beside] if beside in values else values[of]


def _variant_pairs(
    tested: Values, partner: Values | None
) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    plain = {OWN, CHANCE, RETEST, RETEST_CHANCE, DISTURBED, REDRAWN, LEAST, MOST}
    for what in tested:
        if what not in plain:
            yield what, tested[OWN], tested[what]
    if LEAST in tested:
        yield f"{LEAST} / {MOST}", tested[LEAST], tested[MOST]
    # Both hide parts in the order of the map, from the one or from the other end.
    for one, other in ((OWN, "imputer fill 0"), ("imputer fill 0", OWN)):
        if partner and one in tested and other in partner:
            yield "opposite order", tested[one], partner[other]
            return


def _shared(*tables: pd.DataFrame) -> list[pd.DataFrame]:
    """The images and explainers that all tables have; who lacks most images is left out."""
    whole = pd.concat(dict(enumerate(tables)), axis=1)
    lacking = whole.isna().mean().groupby(level=1).max()
    names = [name for name in tables[0] if lacking.get(name, 1.0) <= 0.5]
    rows = whole.loc[:, whole.columns.get_level_values(1).isin(names)].dropna().index
    return [table.loc[rows, names] for table in tables]


def _arrays(*tables: pd.DataFrame) -> list[NDArray[np.float64]]:
    return [table.to_numpy(np.float64) for table in _shared(*tables)]


def _worse(own: pd.DataFrame, redrawn: pd.DataFrame) -> Interval:
    """The share of worse scores, with an interval by Student's t over images."""
    names = [name for name in own if name not in KEEPING]
    known = own[names].notna() & redrawn[names].notna()
    # Equal scores, as of a metric of hits and misses, count half: so .5 is what chance gives.
    worse = (redrawn[names] < own[names]) + 0.5 * (redrawn[names] == own[names])
    each = worse.where(known).mean(axis=1).dropna().to_numpy(float)
    return mean_interval(each)


def mean_interval(values: Sequence[float] | NDArray[Any], confidence: float = 0.95) -> Interval:
    """The mean of the finite values, with Student's t over images."""
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    if len(known) < 5:
        return UNKNOWN
    half = stats.t.ppf((1 + confidence) / 2, len(known) - 1) * stats.sem(known)
    mean = known.mean()
    return Interval(*map(np.asarray, (mean, mean - half, mean + half)))


def _controls(values: Values, expected: Mapping[str, str]) -> Iterator[Control]:
    own = values[OWN]
    gains = _gains(values, OWN, CHANCE)
    for name, wanted in expected.items():
        if name not in own:
            continue
        if wanted == "worse":
            known = name.partition(" ")[2]
            number = mean_interval((own[known] - own[name]).to_numpy())
            yield Control(f"{name} is worse", number, _above(number))
        elif wanted == "better":
            number = mean_interval(gains[name].to_numpy())
            yield Control(f"{name} is better", number, _above(number))
        else:
            surely = mean_interval(gains[name].to_numpy(), SURELY)
            number = mean_interval(gains[name].to_numpy())
            yield Control(f"{name} is not better", number, WRONG if surely.low > 0 else RIGHT)


def _above(number: Interval) -> str:
    if not np.isfinite(number.value):
        return UNANSWERED
    return RIGHT if number.low > 0 else WRONG if number.high <= 0 else UNANSWERED
