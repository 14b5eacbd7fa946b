"""Explainers of other libraries behind our protocol: each is imported only when it is bound.

They get a model that ends in the logits, whatever the user's ends in, and reads its live weights;
they give back raw maps. What a library can only do to a whole model, layer by layer, is refused:
`explainers.GradCAM` and `explainers.GuidedBackprop` do it for every kind of model.
"""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.base import Method
from saliency_bench.protocols import Bound, Floats, Ints, NotApplicable, Output
from saliency_bench.randomize import image_keys

Settings = Mapping[str, Any]
"""Keyword arguments of the other library's function."""


@dataclass(frozen=True)
class Adapter(Method):
    """An explainer of another library: its raw maps, in batches.

    What its maps are cannot be known, so they are taken as signed and as class specific; whether
    they repeat themselves is measured.

    Attributes:
        settings: keyword arguments of the library's own function.
        output: what is explained.
    """

    promises: ClassVar[frozenset[str]] = frozenset({"weights", "shift_invariance"})

    settings: Settings = field(default_factory=dict, kw_only=True)
    output: Output = field(default="logit", kw_only=True)

    @abstractmethod
    def explain(self, scores: Any) -> Callable[[NDArray[np.float32], NDArray[np.int64]], Any]:
        """Images and targets to maps, for a Keras model `scores` that ends in logits `[N, K]`."""

    def bind(self, model: Any) -> Bound:
        """Import the library and hand it the model.

        Raises:
            NotApplicable: if it cannot serve the model.
            ValueError: if it is not installed, or has no such method or setting.
        """
        scores = network.ends_in_scores(model, self.output)
        explain = self.explain(scores)
        rows = network.rows_at_once()

        def bound(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            images = np.asarray(images, np.float32)
            wanted = np.asarray(targets, np.int64)
            _require_classes(wanted, scores.output_shape[-1])
            parts = [slice(start, start + rows) for start in range(0, len(images), rows)]
            found = [np.asarray(explain(images[part], wanted[part])) for part in parts]
            for part, maps in zip(parts, found, strict=True):
                _require_maps(self, maps, images[part], scores)
            return np.concatenate([_channelled(maps) for maps in found]).astype(np.float32)

        return bound


def _require_classes(targets: NDArray[np.int64], classes: int) -> None:
    if targets.min() < 0 or targets.max() >= classes:
        worst = targets[(targets < 0) | (targets >= classes)][0]
        raise ValueError(f"targets must lie in 0..{classes - 1}; got {worst}")


def _channelled(maps: NDArray[Any]) -> NDArray[Any]:
    return maps[..., None] if maps.ndim == 3 else maps


def _require_maps(explainer: Adapter, maps: NDArray[Any], images: Floats, scores: Any) -> None:
    """Raise `ValueError` unless there is a finite map of each image, of its size."""
    count, height, width, channels = images.shape
    if _channelled(maps).shape[:-1] != (count, height, width) or (
        maps.ndim == 4 and maps.shape[-1] not in (1, channels)
    ):
        raise ValueError(
            f"{explainer!r} must return maps {(count, height, width)} or with 1 or {channels} "
            f"channels; got shape {maps.shape}"
        )
    broken = ~np.isfinite(maps).reshape(count, -1).all(axis=1)
    # A network that overflows has no finite map, and that is not the explainer's fault.
    if broken.any() and np.isfinite(np.asarray(scores(images[broken]))).all():
        first = int(np.flatnonzero(broken)[0])
        raise ValueError(f"{explainer!r} must return finite maps; that of image {first} is not")


def library(name: str, package: str) -> Any:
    """A module of another library.

    Raises:
        ValueError: if it is not there, with what to install.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        missing = f" ({error})" if name.partition(".")[0] not in str(error) else ""
        raise ValueError(f"{package} must be installed: pip install {package}{missing}") from error


def named(module: Any, name: str, package: str) -> Any:
    """A class of another library.

    Raises:
        ValueError: if there is none of this name, with those that look like it.
    """
    if not hasattr(module, name):
        known = [n for n in dir(module) if n[0].isupper()]
        raise ValueError(f"method must be one of {package}'s ({network.near(name, known)}); "
                         f"got {name!r}")  # fmt: skip
    return getattr(module, name)


@dataclass(frozen=True)
class PAIRSaliency(Adapter):
    """A method of PAIR `saliency`: `GradientSaliency`, `IntegratedGradients`, `GuidedIG`, ...

    It asks for gradients image by image; ours are compiled.

    Attributes:
        method: name of a class of `saliency.core`.
        smooth: average it over noisy copies (`GetSmoothedMask`).
        settings: of `GetMask`, such as `x_steps`.
        output: what is explained.
    """

    method: str
    smooth: bool = False

    def explain(self, scores: Any) -> Callable[[NDArray[np.float32], NDArray[np.int64]], Any]:
        """Its class, and a function that gives it what it asks for."""
        core = library("saliency.core", "saliency")
        method = named(core, self.method, "saliency")()
        if self.method in {"GradCam"}:
            raise NotApplicable(f"{self.method} needs a layer of the model; use GradCAM of ours")
        # What `scores` returns is what is explained: there is no logit to look for behind it.
        gradient = network.input_gradient(scores, lambda output: output.head())
        score = network.target_score(scores, lambda output: output.head())

        def call(batch: Any, call_model_args: Any = None, expected_keys: Any = None) -> Any:
            rows = np.asarray(batch, np.float32)
            targets = np.full(len(rows), call_model_args)
            given = {}
            if core.OUTPUT_LAYER_VALUES in (expected_keys or ()):
                given[core.OUTPUT_LAYER_VALUES] = score(rows, targets)
            if core.INPUT_OUTPUT_GRADIENTS in (expected_keys or ()):
                given[core.INPUT_OUTPUT_GRADIENTS] = gradient(rows, targets)
            return given

        run = method.GetSmoothedMask if self.smooth else method.GetMask

        def explain(images: NDArray[np.float32], targets: NDArray[np.int64]) -> Any:
            return np.stack(
                [
                    run(image, call, int(target), **self.settings)
                    for image, target in zip(images, targets, strict=True)
                ]
            )

        return explain


@dataclass(frozen=True)
class Xplique(Adapter):
    """A method of Xplique: `Saliency`, `GradientInput`, `IntegratedGradients`, `Rise`, ...

    Attributes:
        method: name of a class of `xplique.attributions`.
        settings: of its constructor; `reducer=None` keeps the channels of gradient methods.
        output: what is explained.
    """

    WHOLE_MODEL: ClassVar[frozenset[str]] = frozenset(
        {"DeconvNet", "FEM", "GradCAM", "GradCAMPP", "GuidedBackprop"}
    )
    """Methods that change or ask single layers, which a model that ends in scores hides."""

    method: str

    def explain(self, scores: Any) -> Callable[[NDArray[np.float32], NDArray[np.int64]], Any]:
        """Its explainer; targets are one-hot, as it wants them."""
        if self.method in self.WHOLE_MODEL:
            raise NotApplicable(f"Xplique's {self.method} needs the layers of the model; use ours")
        attributions = library("xplique.attributions", "xplique")
        made = named(attributions, self.method, "xplique")
        explainer = made(scores, batch_size=network.rows_at_once(), **self.settings)
        classes = np.eye(scores.output_shape[-1], dtype=np.float32)
        return lambda images, targets: np.asarray(explainer.explain(images, classes[targets]))


@dataclass(frozen=True)
class TFExplain(Adapter):
    """A method of tf-explain that has raw maps; what its `explain` draws are pictures.

    Attributes:
        method: `vanilla_gradients`, `gradients_inputs` or `integrated_gradients`.
        settings: `n_steps` of integrated gradients.
        output: what is explained.
    """

    method: str

    def explain(self, scores: Any) -> Callable[[NDArray[np.float32], NDArray[np.int64]], Any]:
        """The functions below its pictures, one class at a time."""
        raw = {
            "vanilla_gradients": self._gradients,
            "gradients_inputs": self._gradients,
            "integrated_gradients": self._integrated,
        }
        if self.method not in raw:
            raise ValueError(
                f"method must be one of {', '.join(raw)}, those that have raw maps; "
                f"got {self.method!r}"
            )
        module = library(f"tf_explain.core.{self.method}", "tf-explain")
        run = raw[self.method](module, scores)

        def explain(images: NDArray[np.float32], targets: NDArray[np.int64]) -> Any:
            maps = np.empty_like(images)
            for target in np.unique(targets):
                rows = np.flatnonzero(targets == target)
                maps[rows] = np.asarray(run(images[rows], int(target)))
            return maps

        return explain

    def _gradients(self, module: Any, scores: Any) -> Callable[[Any, int], Any]:
        made = {"vanilla_gradients": "VanillaGradients", "gradients_inputs": "GradientsInputs"}
        run = getattr(module, made[self.method])
        return lambda images, target: run.compute_gradients(images, scores, target, **self.settings)

    def _integrated(self, module: Any, scores: Any) -> Callable[[Any, int], Any]:
        run, steps = module.IntegratedGradients, int(self.settings.get("n_steps", 10))

        def explain(images: Any, target: int) -> Any:
            along = np.asarray(run.generate_interpolations(images, steps), np.float32)
            return run.get_integrated_gradients(along, scores, target, steps)

        return explain


@dataclass(frozen=True)
class SHAP(Adapter):
    """`shap.GradientExplainer`: expected gradients against background images.

    `DeepExplainer` does not serve Keras 3 models: its values do not sum up; use `DeepLIFT` of ours.

    Attributes:
        background: path of an .npz file with images `x` `[B, H, W, C]` in model units.
        seed: of its samples.
        settings: of `shap_values`, such as `nsamples`.
        output: what is explained.
    """

    background: str
    seed: int = 0

    def explain(self, scores: Any) -> Callable[[NDArray[np.float32], NDArray[np.int64]], Any]:
        """Its explainer, seeded by each image's content."""
        shap = library("shap", "shap")
        background = _images(self.background, scores.input_shape)
        explainer = shap.GradientExplainer(scores, background)

        def one(image: NDArray[np.float32], target: int) -> Any:
            seed = (int(image_keys(image[None])[0]) + self.seed) % 2**32
            values = explainer.shap_values(image[None], rseed=seed, **self.settings)
            return np.asarray(values)[0, ..., target]

        def explain(images: NDArray[np.float32], targets: NDArray[np.int64]) -> Any:
            # One by one: a seed is shared by all that are explained at once.
            before = np.random.get_state()  # noqa: NPY002
            try:
                return np.stack([one(i, int(t)) for i, t in zip(images, targets, strict=True)])
            finally:
                np.random.set_state(before)  # noqa: NPY002

        return explain


def _images(path: str, shape: tuple[int | None, ...]) -> NDArray[np.float32]:
    if not Path(path).is_file():
        raise ValueError(f"background must be an .npz file with images x; got {path!r}")
    with np.load(path, allow_pickle=False) as arrays:
        images = np.asarray(arrays["x"], np.float32) if "x" in arrays else np.zeros(0, np.float32)
    if images.ndim != 4 or images.shape[1:] != shape[1:]:
        raise ValueError(f"background must hold x {('B', *shape[1:])}; got {images.shape}")
    return images


@dataclass(frozen=True)
class QuantusStyle(Adapter):
    """A function in the style of Quantus: `explain_func(model, inputs, targets, **settings)`.

    Attributes:
        function: takes and returns NumPy arrays; its model ends in logits.
        settings: its keyword arguments.
        output: what is explained.
    """

    function: Callable[..., Any]

    def explain(self, scores: Any) -> Callable[[NDArray[np.float32], NDArray[np.int64]], Any]:
        """The function with its model and settings."""
        return lambda images, targets: self.function(scores, images, targets, **self.settings)
