"""Images to explain and to train on. A class holds settings; its `load()` reads the images."""

from saliency_bench.datasets.base import Source
from saliency_bench.datasets.digits import Digits
from saliency_bench.datasets.function import Function
from saliency_bench.datasets.image_folder import ImageFolder
from saliency_bench.datasets.keras_datasets import KerasDataset
from saliency_bench.datasets.mosaic import Mosaic
from saliency_bench.datasets.npz import Npz
from saliency_bench.datasets.textures import Textures

__all__ = [
    "Digits",
    "Function",
    "ImageFolder",
    "KerasDataset",
    "Mosaic",
    "Npz",
    "Source",
    "Textures",
]
