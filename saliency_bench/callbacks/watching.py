"""What the callbacks share: when they record, and that training is not disturbed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from numbers import Integral
from pathlib import PurePath
from typing import Any, ClassVar

import keras

from saliency_bench.callbacks.bindings import Bindings, Explainers, by_name
from saliency_bench.callbacks.events import Events, require_writable
from saliency_bench.callbacks.undisturbed import undisturbed
from saliency_bench.explainers.base import validate
from saliency_bench.protocols import Floats, Ints, Scene, interrupts
from saliency_bench.randomize import image_keys


class Watcher(keras.callbacks.Callback, ABC):  # type: ignore[misc]
    """Records a model before the first epoch of a training and after each epoch.

    A model that is built by its first batch, as a subclassed one may be, is first recorded after
    its first epoch.

    Args:
        explainers: by name, or a single one; any callable `f(model, images, targets)` is one.
        images: `[N, H, W, C]` float, model units.
        targets: `[N]` int, the class to explain in each image.
        log_dir: TensorBoard's folder.
        every: epochs between two records.

    Raises:
        ValueError: if an argument has a wrong type, shape or value, or `log_dir` is not writable.
    """

    notes: ClassVar[str]
    """The run, a folder in `log_dir`, with a text for each explainer that failed."""

    _scene: Scene
    _bindings: Bindings
    _every: int
    _log_dir: str
    _runs: dict[str, Events]
    _epochs: int | None
    _has_begun: bool

    def __init__(
        self,
        explainers: Explainers,
        images: Floats,
        targets: Ints,
        log_dir: str | PurePath,
        every: int = 1,
    ) -> None:
        super().__init__()
        if not isinstance(every, Integral) or every < 1:
            raise ValueError(f"every must be a whole number of epochs, 1 or more; got {every!r}")
        pixels, classes = validate(images, targets)
        self._scene = Scene(pixels, classes, image_keys(pixels))
        self._bindings = Bindings(by_name(explainers), self._scene, self._report)
        self._every = int(every)
        self._log_dir = require_writable(log_dir)
        self._runs = {}
        self._epochs = None
        self._has_begun = False

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Keras calls this at the start; the number of epochs is known only when one begins."""
        self._has_begun = False

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Record the model before training, unless an earlier `fit` recorded the same epoch."""
        if not self._has_begun and epoch != self._epochs:
            self._look(epoch)
        self._has_begun = True

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Record the model after an epoch."""
        self._look(epoch + 1)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Close the files."""
        for events in self._runs.values():
            events.close()

    @abstractmethod
    def _records_at(self, epochs: int) -> bool:
        """Whether to record after so many epochs."""

    @abstractmethod
    def _record(self, epochs: int) -> None:
        """Record the model; the caller undoes changes of its state."""

    def _due(self, epochs: int) -> bool:
        return epochs % self._every == 0

    def _run(self, name: str) -> Events:
        if name not in self._runs:
            self._runs[name] = Events(self._log_dir, name)
        return self._runs[name]

    def _look(self, epochs: int) -> None:
        self._epochs = epochs
        if not self._records_at(epochs):
            return
        if not self.model.built:
            why = "is missing: the model was not built; call it once on a batch before fit"
            self._report(f"step {epochs}", why)
            return
        with interrupts.kept(), undisturbed(self.model):
            self._record(epochs)
        for events in self._runs.values():
            events.flush()

    def _report(self, name: str, why: str) -> None:
        self._run(self.notes).text(f"not shown/{name}", f"`{name}` {why}", step=self._epochs or 0)
