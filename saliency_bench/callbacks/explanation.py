"""Maps and overlays of a network while it learns."""

from __future__ import annotations

from pathlib import PurePath
from typing import ClassVar

from saliency_bench.callbacks import pictures
from saliency_bench.callbacks.bindings import Explainers
from saliency_bench.callbacks.pictures import Shown
from saliency_bench.callbacks.watching import Watching
from saliency_bench.protocols import Floats, Ints, Preprocessing

_UNITS = Preprocessing()


class ExplanationCallback(Watching):
    """Overlays and raw maps of some images, into TensorBoard, while a Keras model is trained.

    Before the first epoch and after every `every`-th one; a step is the number of epochs trained
    so far. The run `explanations` holds the pictures `overlay/<explainer>`, once `image`, and the
    raw maps, which `read_maps` reads back bit for bit. Training gives the weights that it gives
    without the callback. A network that computes in float16 has gradients of 0 where they are below
    6e-8: deep ones may have no map.

    Args:
        explainers: by name, or a single one; any callable `f(model, images, targets)` is one. One
            that does not apply, or fails, says so once, as a text, and training goes on.
        images: `[N, H, W, C]` float, model units; a few, as all of their maps are kept.
        targets: `[N]` int, the class to explain in each image.
        log_dir: TensorBoard's folder.
        every: epochs from one record to the next.
        preprocessing: pixels in [0, 1] to model units, for the pictures.

    Raises:
        ValueError: if an argument does not fit.
    """

    notes: ClassVar[str] = "explanations"

    def __init__(
        self,
        explainers: Explainers,
        images: Floats,
        targets: Ints,
        log_dir: str | PurePath,
        every: int = 1,
        *,
        preprocessing: Preprocessing = _UNITS,
    ) -> None:
        super().__init__(explainers, images, targets, log_dir, every)
        self._shown = Shown.of(self._scene.images, preprocessing)
        self._introduced = False

    def _wanted(self, epochs: int) -> bool:
        return self._due(epochs)

    def _record(self, epochs: int) -> None:
        events = self._run(self.notes)
        if not self._introduced:
            images = self._shown.images()
            events.pictures("image", images, step=epochs, about=self._shown.about)
            self._introduced = True
        for name, maps in self._bindings.maps(self.model).items():
            events.maps(f"maps/{name}", maps, step=epochs)
            overlays = self._shown.overlays(maps)
            events.pictures(f"overlay/{name}", overlays, step=epochs, about=pictures.ABOUT)
