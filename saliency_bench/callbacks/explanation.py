"""Maps and overlays of a network during training."""

from __future__ import annotations

from pathlib import PurePath
from typing import ClassVar

from saliency_bench.callbacks import pictures
from saliency_bench.callbacks.bindings import Explainers
from saliency_bench.callbacks.pictures import Display
from saliency_bench.callbacks.watching import Watcher
from saliency_bench.protocols import Floats, Ints, Preprocessing

_UNITS = Preprocessing()


class ExplanationCallback(Watcher):
    """Write overlays and raw maps of some images to TensorBoard while a Keras model is trained.

    It writes before the first epoch and after every `every`-th one; a step is the number of epochs
    trained so far. The run `explanations` has the pictures `overlay/<explainer>`, the picture
    `image` once, and the raw maps, which `read_maps` reads back bit for bit. The callback does not
    change the weights that training gives. In a network that computes in float16, gradients below
    6e-8 are 0: a deep one may have empty maps.

    Args:
        explainers: by name, or a single one; any callable `f(model, images, targets)` is one. If
            one does not apply or fails, a text says so once, and training continues.
        images: `[N, H, W, C]` float, model units; only a few, as all their maps are stored.
        targets: `[N]` int, the class to explain in each image.
        log_dir: TensorBoard's folder.
        every: epochs between two records.
        preprocessing: from pixels in [0, 1] to model units, to show the images.

    Raises:
        ValueError: if an argument has a wrong type, shape or value, or `log_dir` is not writable.
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
        self._display = Display.of(self._scene.images, preprocessing)
        self._wrote_images = False

    def _records_at(self, epochs: int) -> bool:
        return self._due(epochs)

    def _record(self, epochs: int) -> None:
        events = self._run(self.notes)
        if not self._wrote_images:
            images = self._display.images()
            events.pictures("image", images, step=epochs, about=self._display.about)
            self._wrote_images = True
        for name, maps in self._bindings.maps(self.model).items():
            events.maps(f"maps/{name}", maps, step=epochs)
            overlays = self._display.overlays(maps)
            events.pictures(f"overlay/{name}", overlays, step=epochs, about=pictures.ABOUT)
