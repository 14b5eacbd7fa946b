"""A Keras model as the checks and the engine see it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from saliency_bench.network.batch_size import suitable_rows
from saliency_bench.network.batches import Batches, Kernel, evaluating
from saliency_bench.network.feature_maps import taking
from saliency_bench.network.forward import Traced, require_model
from saliency_bench.network.model_state import ModelState
from saliency_bench.network.output import require_logits
from saliency_bench.network.shift import Following, Front
from saliency_bench.network.weights import fingerprint
from saliency_bench.protocols import BLOCK, Bound, Explainer, Floats, Output, ProofError


class KerasNetwork:
    """A model with its outputs, a copy of its weights, and changes to them that are proven.

    Args:
        model: any built Keras model; its weights are the same afterwards, bit for bit.
        batch_size: rows evaluated at once; fewer are filled up.
        output: what is explained.

    Attributes:
        batch_size: most rows evaluated at once.
        full: whether fewer are filled up.

    Raises:
        ValueError: if the model has no logit that can be explained, or no weights.
    """

    def __init__(self, model: Any, *, batch_size: int = BLOCK, output: Output = "logit") -> None:
        require_model(model)
        if not model.variables:
            raise ValueError(f"the model must be built and have weights; {model.name!r} has none")
        self.model = model
        self._change = (0, 0)
        self._drawn: tuple[Hashable, dict[int, NDArray[Any]]] = (None, {})
        self.batch_size, self.full = batch_size, True
        with evaluating(batch_size):
            self._outputs = Kernel(model, _logits if output == "logit" else _scores, output)
        self._state = ModelState(model)
        self._front = Front(model)

    def outputs(self, images: Floats) -> NDArray[np.float32]:
        """The explained output `[N, K]` of images `[N, H, W, C]`, with the current weights."""
        return self._outputs(images - self._front.shift if self._front.shift.any() else images)

    def suit(self, shape: tuple[int, ...]) -> None:
        """Take the batch size that suits the network at images of `shape` `(H, W, C)`."""
        self.batch_size, self.full = suitable_rows(self._outputs.graph(shape)), False
        self._outputs.batches = Batches(self.batch_size, self.full)

    def fingerprint(self) -> str:
        """Hash of the current weights."""
        return fingerprint(self.model)

    def evidence(self) -> dict[str, int]:
        """Number of variables that are changed now, and of those whose new value is the old one."""
        return dict(zip(("variables_changed", "variables_exempt"), self._change, strict=True))

    def once(
        self, condition: Hashable, draw: Callable[[Any], dict[int, NDArray[Any]]]
    ) -> dict[int, NDArray[Any]]:
        """`draw(model)`, called once for all consecutive uses of a condition."""
        if self._drawn[0] != condition:
            self._drawn = (None, {})  # frees the old values before the new ones are made
            self._drawn = condition, draw(self.model)
        return self._drawn[1]

    @contextmanager
    def changed(self, values: Mapping[int, NDArray[Any]]) -> Iterator[None]:
        """Set variables by position in `model.variables`, and prove that exactly these change.

        A variable whose new value is a constant that it already holds is exempt, and counted.

        Raises:
            ProofError: if a named variable does not change, if another one does, or if afterwards
                the weights are not the old ones bit for bit.
        """
        state, old = self._state, self._state.untouched
        if state.moved(old):
            raise ProofError("the weights must be untouched before a change; some differ")
        exempt = {p for p, value in values.items() if self._holds_constant(p, value)}
        try:
            new = {p: tf.constant(v, old[p].dtype) for p, v in values.items()}
            state.assign(new)
            moved = state.moved(old)
            self._prove(moved, set(values) - exempt)
            self._change = (len(moved), len(exempt))
            state.expected = [new.get(position, tensor) for position, tensor in enumerate(old)]
            yield
        finally:
            self._change, state.expected = (0, 0), old
            state.assign({position: old[position] for position in values})
            if state.moved(old):
                raise ProofError("the weights did not come back bit for bit")

    def bind(self, explainer: Explainer) -> Bound:
        """An explainer for this network, also behind a shift."""
        return Following(explainer, self._front)

    @contextmanager
    def behind(self, shift: Floats, *, baseline: float = 0.0) -> Iterator[None]:
        """A block in which images `[N, H, W, C]` are shifted, and the network takes that back.

        Args:
            shift: `[H, W, C]` that was added to the images.
            baseline: what is added to the baselines of explainers.
        """
        with evaluating(self.batch_size, full=self.full), self._front.behind(shift, baseline):
            yield

    @contextmanager
    def guarded(self) -> Iterator[list[str]]:
        """A block that must leave the model as it is now; what it changes is put back.

        Yields:
            The feature maps that are taken inside the block, in words.

        Raises:
            ModelChanged: if it changed the model; an error of the block itself passes.
        """
        with taking() as taken, self._state.guarded():
            yield taken

    def _prove(self, moved: set[int], named: set[int]) -> None:
        for position in sorted(moved ^ named):
            path = self._state.path(position)
            what = "should change but did not" if position in named else "changed but was not named"
            raise ProofError(f"the variable {path!r} {what}")

    def _holds_constant(self, position: int, value: NDArray[Any]) -> bool:
        return value.size == 0 or (
            bool(value.flat[0] == value.flat[-1] and (value == value.flat[0]).all())
            and np.array_equal(value, self._state.untouched[position].numpy())
        )


def _scores(traced: Traced) -> Any:
    return traced.scores


def _logits(traced: Traced) -> Any:
    return require_logits(traced.scores)
