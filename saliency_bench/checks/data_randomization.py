"""Data randomization: networks trained on randomized labels, and twins trained on true ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

from saliency_bench.checks.base import (
    LONGER,
    MORE,
    Repeated,
    Retrained,
    least_accuracy,
    require_one_of,
)
from saliency_bench.protocols import (
    Ceiling,
    Condition,
    Expectation,
    NetworkName,
    NotApplicable,
    Study,
    Words,
)

Randomized = Literal["permuted", "uniform"]

TWINS = 1
"""The stage that compares networks trained alike: it measures the ceilings of later stages."""

MOST_SEEN = 0.1
"""Largest share of images to explain that are training images; data sets contain duplicates."""

DECLARED = Expectation(
    Words(
        breaks="the network is trained anew on randomized labels",
        passes="the map depends on the labels that the network learned",
        fails="so much of the map does not depend on the labels that the network learned",
        kept="of its map where labels are random, in units of what it keeps where they are true",
        draws="networks of a kind",
        untouched="true labels",
        depth="share of the labels that are randomized",
        destroyed="network trained on random labels",
        note="The evidence lies in the same place, whatever the labels are, and a map may stay for "
        "that reason alone (Yona and Greenfeld, 2021). The check task_swap moves the evidence: it "
        "is the control of what this one can show.",
    ),
    ceiling=Ceiling(
        stage=TWINS,
        name="twins",
        caption="Networks are trained anew, and a draw is a network. Stage 1 compares twins: "
        "networks trained on true labels from other first weights; a network's mean similarity "
        "with its twins is its ceiling. Later stages compare the same networks with as many that "
        "were trained on randomized labels. The null is what maps of different images score there, "
        "and `retained` says where true against randomized labels lies between the null and the "
        "twins. The floor of a stage is what the maps of two of its networks score on one image.",
    ),
    statistic="last",
    controls={
        "EdgeDetector": "fail", "InputMagnitude": "fail", "RandomFrozen": "fail",
        "CentrePrior": "fail", "Constant": "undefined", "RandomFresh": "undefined",
    },
)  # fmt: skip


@dataclass(frozen=True)
class DataRandomization:
    """Data randomization test (Adebayo et al., 2018, section 4), with retrained twins.

    Networks are trained on true and on randomized labels, each from its own initial weights. The
    similarity of maps of a true-label network and its twins is the ceiling. The similarity of maps
    of a true-label and a random-label network is close to the null if maps depend on the labels,
    and close to the ceiling if they do not.

    Attributes:
        labels: `permuted` shuffles the labels (as in the paper), `uniform` draws them anew.
        fractions: shares of the labels that are randomized, each a level of corruption; level 1
            decides the verdict.
        networks: how many of each kind; at least 3 for a verdict.
        min_train_accuracy: what a random-label network must reach on its own labels.
        min_test_accuracy: what a true-label network must reach on all test images of the data set.
            Both requirements are higher if one class is frequent.
        chance_margin: how far the accuracy of a network of purely random labels may exceed chance
            on the test images, as a share of the range from chance to 1.
    """

    papers: ClassVar[tuple[str, ...]] = ("adebayo2018",)
    declares: ClassVar[Expectation] = DECLARED
    trains: ClassVar[bool] = True

    labels: Randomized = "permuted"
    fractions: Sequence[float] = (1.0,)
    networks: int = 3
    min_train_accuracy: float = 0.95
    min_test_accuracy: float = 0.7
    chance_margin: float = 0.1

    def __post_init__(self) -> None:
        require_one_of("labels", self.labels, get_args(Randomized))
        object.__setattr__(self, "fractions", tuple(sorted(set(map(float, self.fractions)))))
        if not self.fractions or not 0 < self.fractions[0] <= self.fractions[-1] <= 1:
            raise ValueError(
                f"fractions must lie above 0 and at most at 1; got {list(self.fractions)}"
            )
        if self.networks < 2:
            raise ValueError(f"networks must be at least 2, for a twin; got {self.networks}")
        for name in ("min_train_accuracy", "min_test_accuracy", "chance_margin"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1]; got {getattr(self, name)}")

    def conditions(self, study: Study) -> tuple[Condition, ...]:
        """The repeat, the twins, then every network of every level of corruption.

        Trains the networks that are not trained yet.

        Raises:
            NotApplicable: if networks cannot be trained or tested here.
            ValueError: if the model under test is not the one that its training yields.
        """
        if study.labels is None:
            raise NotApplicable(
                "it needs labels of the images to explain, to see what the networks learned"
            )
        names = self._names(study)
        self._require_own(study)
        study.weights.prepare([name for row in names for name in row])
        conditions: list[Condition] = [Repeated(references=((TWINS, self.networks - 1),))]
        for stage, row in enumerate(names, start=TWINS):
            for draw, name in enumerate(row):
                others = [other for other in range(self.networks) if other != draw]
                twins = others if stage == TWINS else [draw]
                conditions.append(
                    Retrained(
                        name=("twin, " if stage == TWINS else "") + name.variant,
                        stage=stage,
                        depth=name.fraction,
                        draw=draw,
                        network=study.weights(name),
                        moves_output=name != NetworkName(),
                        destroys=name.fraction == 1,
                        references=tuple((TWINS, twin) for twin in twins),
                        predicted=study.target == "repredict",
                    )
                )
        return tuple(conditions)

    def expectation(self, study: Study) -> Expectation:
        """A verdict on purely random labels; guards report networks that do not allow one."""
        reason = ""
        if self.fractions[-1] < 1:
            reason = "no network was trained on labels that are random throughout"
        guards = tuple(self._guards(study))
        return replace(
            self.declares, learned=self.min_train_accuracy, no_verdict=reason, guards=guards
        )

    def _names(self, study: Study) -> list[list[NetworkName]]:
        """The networks by stage, true labels first, and draw.

        The network under test is the last of its kind. Figures show the first network of each
        stage, so they show a twin beside the network under test.
        """
        draws = [(draw + 1) % self.networks for draw in range(self.networks)]
        true = [NetworkName(draw=draw) for draw in draws]
        return [true] + [
            [NetworkName(self.labels, fraction, draw) for draw in range(self.networks)]
            for fraction in self.fractions
        ]

    def _require_own(self, study: Study) -> None:
        if study.weights(NetworkName()).fingerprint != study.network.fingerprint():
            raise ValueError(
                "the model must be the one that its training gives, the network "
                f"{str(NetworkName())!r} of these weights; its own are others"
            )

    def _guards(self, study: Study) -> Iterator[str]:
        """Why the networks do not allow a verdict, a line each."""
        true, *_, random = self._names(study)
        for name in (*true, *random):
            network = study.weights(name)
            learned, tested = network.train_accuracy, network.test_accuracy
            if name.labels != "true":
                least = least_accuracy(network.train_chance, self.min_train_accuracy)
                if not learned >= least:
                    yield (
                        f"the network of {name} learned {learned:.2f} of its labels; at least "
                        f"{least:.2f} (min_train_accuracy) is asked for: {LONGER}"
                    )
            if name.labels == "true":
                least = least_accuracy(network.chance, self.min_test_accuracy)
                if not tested >= least:
                    yield (
                        f"the network of {name} has test accuracy {tested:.2f}; at "
                        f"least {least:.2f} (min_test_accuracy) is asked for: {MORE}"
                    )
            if name.fraction == 1:
                highest = network.chance + self.chance_margin * (1 - network.chance)
                if not tested <= highest:
                    yield (
                        f"the network of {name} has test accuracy {tested:.2f}; at most "
                        f"{highest:.2f} (chance {network.chance:.2g} and chance_margin) is "
                        "expected from guessing: look for images to explain that it was trained on"
                    )
        if network.seen > MOST_SEEN:
            yield (
                f"{network.seen:.0%} of the images to explain are among those the networks were "
                f"trained on; at most {MOST_SEEN:.0%} may be: explain other images"
            )
