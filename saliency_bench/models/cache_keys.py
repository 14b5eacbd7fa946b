"""Names of the files of trained networks: hashes of everything that decides their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from importlib.metadata import version
from typing import Any

from numpy.typing import NDArray

from saliency_bench.models.training import Training
from saliency_bench.protocols import Dataset, Rows
from saliency_bench.storage import source
from saliency_bench.storage.fingerprint import content_key, digest_of_array


class CacheKeys:
    """Keys of the networks that are trained on one dataset.

    Args:
        dataset: the images to train on and to explain.
        training: how networks are trained.
    """

    def __init__(self, dataset: Dataset, training: Training) -> None:
        self._dataset = dataset
        self._training = training

    def weights(
        self, model: str, start: Mapping[str, Any], labels: NDArray[Any], *, seed: int
    ) -> str:
        """Key of a network's weights.

        Args:
            model: hash of the model's settings.
            start: identity of the untrained network.
            labels: `[N]`, the labels to train on.
            seed: of the training.
        """
        return content_key(
            {
                "model": model,
                "start": start,
                "images": self._images,
                "labels": digest_of_array(labels),
                "training": asdict(self._training),
                "seed": seed,
                **thread_setting(),
                "source": source.of_training(),
                "versions": [
                    version(n) for n in ("saliency-bench", "keras", "tensorflow", "numpy")
                ],
            }
        )

    @cached_property
    def test(self) -> str:
        """Key of the images to explain and their labels, for the test accuracy."""
        arrays = [self._dataset.pixels, self._dataset.labels]
        digests = [digest_of_array(a) for a in arrays if a is not None]
        return content_key({"test": [repr(self._dataset.preprocessing), *digests]})

    def require_same(self, dataset: Dataset) -> None:
        """Raise `ValueError` if a dataset is another one than this, by what it holds."""
        other = CacheKeys(dataset, self._training)
        if dataset is not self._dataset and other._lesson != self._lesson:
            raise ValueError(
                f"checks of one run must teach {dataset.name!r} by the same images; two of them "
                "differ in their settings: give each a run of its own"
            )

    @cached_property
    def _lesson(self) -> list[Any]:
        labels = self._dataset.train_labels
        return [self._images, None if labels is None else digest_of_array(labels), self.test]

    @cached_property
    def _images(self) -> list[Any]:
        pixels: NDArray[Any] | Rows | None = self._dataset.train_pixels
        assert pixels is not None
        return [pixels.shape, digest_of_array(pixels), repr(self._dataset.preprocessing)]


def thread_setting() -> dict[str, Any]:
    """The number of compute threads, unless it is one: it changes the bits of a training."""
    import tensorflow as tf

    threads = tf.config.threading.get_intra_op_parallelism_threads()
    return {} if threads == 1 else {"threads": threads}
