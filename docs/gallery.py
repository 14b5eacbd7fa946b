"""Draw docs/explainers.md's figures and tables: `python docs/gallery.py` (`make gallery`).

Every explainer of conf/ with the settings stated there: on a digit and the network that the quick
start trains; and, where $SALIENCY_BENCH_DATA names a folder with their weights, on a photo and
MobileNet, and on ResNet-20 for CIFAR-10.
"""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from skimage import data, transform

from saliency_bench import models, network
from saliency_bench.cli import objects
from saliency_bench.cli.request import compose
from saliency_bench.explainers import Control, Mixture
from saliency_bench.protocols import NotApplicable
from saliency_bench.report.figures import colour_bars, palette, style
from saliency_bench.report.figures.mapgrid import show_empty

HERE = Path(__file__).parent
CONF = Path(objects.config_dir())
DATA = os.environ.get("SALIENCY_BENCH_DATA")
PAGE = HERE / "explainers.md"
COLUMNS = 6
CELL = 1.18
"""Inches of a map in the figure."""
FOOT = 0.6
"""Inches below the maps, for the colour bars."""


def explainers() -> dict[str, Any]:
    """Every explainer of conf/ that is neither a control nor a yardstick, in alphabetical order."""
    names = sorted(path.stem for path in (CONF / "explainer").glob("*.yaml"))
    found = objects.build_group(compose(f"explainer=[{','.join(names)}]"), "explainer")
    return {n: e for n, e in found.items() if not isinstance(e, Control | Mixture)}


def digit() -> tuple[Any, np.ndarray, np.ndarray, int]:
    """The quick start's network, an image in its units, in [0, 1], and the class explained."""
    config = compose()
    dataset = objects.build(config.dataset, "dataset").load()
    trainer = models.Trainer(
        objects.build(config.model, "model"), dataset, seed=0, cache="results/cache"
    )
    return trainer.load().model, dataset.images[:1], dataset.pixels[0], int(dataset.labels[0])


def photo() -> tuple[Any, np.ndarray, np.ndarray, int]:
    """MobileNet, a photo of a cat (CC0, scikit-image's), and the class it is taken for."""
    model = keras.applications.MobileNet(
        alpha=0.75, weights=f"{DATA}/mobilenet_v1_0.75_224.weights.h5"
    )
    cat = data.chelsea()[:, 75:375] / 255
    pixels = transform.resize(cat, (224, 224), anti_aliasing=True).astype(np.float32)
    images = pixels[None] * 2 - 1
    return model, images, pixels, int(np.argmax(model(images)))


def residual() -> tuple[Any, np.ndarray, np.ndarray, int]:
    """ResNet-20 for CIFAR-10 and its first test image."""
    model = keras.models.load_model(f"{DATA}/resnet20_cifar10.keras")
    with np.load(f"{DATA}/cifar10_test1000.npz") as arrays:
        pixels, label = arrays["x"][0] / 255, int(arrays["y"].ravel()[0])
    images = (pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return model, images[None].astype(np.float32), pixels.astype(np.float32), label


def attention() -> tuple[Any, np.ndarray, np.ndarray, int]:
    """A small vision transformer with GELU, not trained, and noise: only whether a method runs."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    images = keras.Input((32, 32, 3))
    tokens = layers.Reshape((64, 32))(layers.Conv2D(32, 4, strides=4)(images))
    for _ in range(2):
        normed = layers.LayerNormalization()(tokens)
        tokens = tokens + layers.MultiHeadAttention(2, 16)(normed, normed)
        wide = layers.Dense(64, activation="gelu")(layers.LayerNormalization()(tokens))
        tokens = tokens + layers.Dense(32)(wide)
    pooled = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(tokens))
    model = keras.Model(images, layers.Dense(10)(pooled), name="transformer")
    pixels = np.random.default_rng(0).random((32, 32, 3), np.float32)
    return model, pixels[None], pixels, 3


Outcome = tuple[np.ndarray | None, str]
"""A map `[H, W, C]`, if there is one, and the seconds it took or the reason why there is none."""


def explained(model: Any, images: np.ndarray, target: int) -> Iterator[tuple[str, Outcome]]:
    """What each explainer makes of one image."""
    for name, explainer in explainers().items():
        start = time.perf_counter()
        try:
            with network.evaluating(32):
                found = explainer.bind(model)(images, np.array([target]))[0]
        except NotApplicable as refusal:
            yield name, (None, f"not applicable: {refusal.reason}")
            continue
        if not np.isfinite(found).all():
            raise ValueError(f"{name} has a map that is not finite")
        print(f"{model.name}: {name} {time.perf_counter() - start:.1f} s", flush=True)
        yield name, (found, f"{time.perf_counter() - start:.1f} s")


@mpl.rc_context(style.STYLE)
def grid(found: dict[str, Outcome], pixels: np.ndarray, signed: dict[str, bool]) -> Figure:
    """The image and a map of each explainer, up to its own 99th percentile, and what colours mean.

    Args:
        found: maps by explainer.
        pixels: `[H, W, C]` in [0, 1].
        signed: by explainer, whether the sign of its maps means something.
    """
    maps = {name: values for name, (values, _) in found.items() if values is not None}
    rows = -(-(len(maps) + 1) // COLUMNS)
    height = rows * (CELL + 0.2) + FOOT
    figure = style.new_figure(COLUMNS * CELL, height)
    axes = figure.subplots(rows, COLUMNS).ravel()
    bottom, top = FOOT / height, 1 - 0.18 / height
    figure.subplots_adjust(0.005, bottom, 0.995, top, wspace=0.05, hspace=0.2)
    for axis in axes:
        axis.set_axis_off()
    axes[0].imshow(pixels if pixels.shape[-1] == 3 else pixels[..., 0], cmap="gray")
    axes[0].set_title("image", pad=2)
    for axis, (name, values) in zip(axes[1:], maps.items(), strict=False):
        axis.set_title(name, pad=2)
        plane, colours = palette.plane(values), palette.palette(signed=signed[name])
        if why := palette.emptiness(plane):
            show_empty(axis, (0, 1, 0, 1), why)
            continue
        if colours is palette.UNSIGNED:  # a mean score is far from 0 everywhere
            plane = plane - plane.min()
        axis.imshow(
            palette.scaled(plane), cmap=colours.colours, vmin=colours.low, vmax=1,
            interpolation="nearest",
        )  # fmt: skip
    colour_bars.add(figure, [palette.SIGNED, palette.UNSIGNED])
    return figure


def table(columns: dict[str, dict[str, Outcome]]) -> str:
    """Which explainer runs on which network, and how long it took."""
    heads = ["explainer", *columns]
    lines = [heads, ["---"] * len(heads)]
    for name in next(iter(columns.values())):
        lines.append([f"`{name}`", *(found[name][1] for found in columns.values())])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def attributes() -> str:
    """What each explainer says of itself."""
    told = ("signed", "class_specific", "stochastic", "uses_gradients", "multiplies_input")
    lines = [["explainer", *(name.replace("_", " ") for name in told)], ["---"] * 6]
    for name, explainer in explainers().items():
        marks = ("yes" if getattr(explainer, attribute) else "" for attribute in told)
        lines.append([f"`{name}`", *marks])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def written(page: str, part: str, text: str) -> str:
    """The page with what stands between a part's two marks replaced."""
    begin, end = f"<!-- {part} -->", f"<!-- end of {part} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"the page must have the marks of {part!r}; it has not")
    return pattern.sub(lambda _: f"{begin}\n\n{text}\n\n{end}", page)


def draw(name: str, found: dict[str, Outcome], pixels: np.ndarray) -> None:
    """Write a figure."""
    path = HERE / "figures" / f"{name}.png"
    path.parent.mkdir(exist_ok=True)
    signed = {name: explainer.signed for name, explainer in explainers().items()}
    drawn = Image.open(io.BytesIO(style.encoded(grid(found, pixels, signed), "png")))
    # The maps of a photo are noise to PNG: with this palette the file is a third as large.
    drawn.convert("RGB").quantize(256).save(path, optimize=True)


def main() -> None:
    """Draw and write what can be."""
    model, images, pixels, target = digit()
    draw("explainers_digit", dict(explained(model, images, target)), pixels)
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), "attributes", attributes()))
    if DATA is None:
        return
    columns = {}
    for title, load, figure in (
        ("ResNet-20, 32x32", residual, None),
        ("MobileNet, 224x224", photo, "explainers_photo"),
        ("transformer, 32x32", attention, None),
    ):
        model, images, pixels, target = load()
        columns[title] = dict(explained(model, images, target))
        if figure is not None:
            draw(figure, columns[title], pixels)
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), "networks", table(columns)))


if __name__ == "__main__":
    main()
