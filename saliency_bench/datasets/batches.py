"""Images and labels in batches: a `tf.data.Dataset`, a Keras `PyDataset`, any other iterable."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from saliency_bench.datasets.content import as_value_error
from saliency_bench.protocols.inputs import as_classes, as_numbers

Array = NDArray[Any]

_FORMS = "a batch must be images, (images, labels) or (images, labels, weights)"
_END = object()


@runtime_checkable
class _ArrayLike(Protocol):
    """What NumPy reads as an array, tensors of other libraries included."""

    def __array__(self) -> Array: ...


@dataclass(frozen=True)
class Gathered:
    """The images of the first batches.

    Attributes:
        images: `[N, H, W, C]`, in the units and the type of the batches.
        labels: `[N]` int64 class numbers; None if the batches have none.
        whole: whether the batches are known to hold no further images.
    """

    images: Array
    labels: NDArray[np.int64] | None
    whole: bool


def are_batches(data: Any) -> bool:
    """Whether `data` hands out batches; False for an array and what NumPy reads as one.

    Of lists, those of tuples are batches.
    """
    if isinstance(data, list):
        first = data[0] if data else None
        return isinstance(first, tuple) and any(isinstance(part, _ArrayLike) for part in first)
    no_batches = (_ArrayLike, Mapping, tuple, str, bytes, memoryview)
    return isinstance(data, Iterable) and not isinstance(data, no_batches)


def gather(data: Any, limit: int | None = None) -> Gathered:
    """Read the first `limit` images of batches, and no batch beyond them.

    Args:
        data: hands out batches: images `[B, H, W, C]`, (images, labels) or (images, labels,
            weights). Labels are those of `as_class_numbers`; weights are ignored.
        limit: most images; None: all of them.

    Raises:
        ValueError: in one line, if there is no image, if a batch is something else, if batches do
            not fit each other, or if all images are wanted of batches that have no end.
    """
    images: list[Array] = []
    labels: list[NDArray[np.int64] | None] = []
    count = 0
    for batch in _each(data, limit):
        own, classes = _parts(batch)
        _require_alike(images, labels, own, classes)
        left = None if limit is None else limit - count
        images.append(own[:left])
        labels.append(None if classes is None else classes[:left])
        count += len(images[-1])
        if count == limit:
            break
    if not images:
        raise ValueError("images must come in at least one batch; got none")
    known = [part for part in labels if part is not None]
    joined = np.concatenate(known) if known else None
    return Gathered(np.concatenate(images), joined, whole=count != limit)


def as_class_numbers(labels: Any, count: int, name: str = "labels") -> NDArray[np.int64]:
    """Class numbers `[N]` from `[N]`, `[N, 1]` or one-hot `[N, K]`.

    Args:
        labels: whole numbers, of any type.
        count: N.
        name: of the labels, for messages.

    Raises:
        ValueError: in one line, if they are something else.
    """
    rule = f"{name} must be {count} class numbers, [N] or [N, 1], or one-hot [N, K]"
    array = as_numbers(labels, rule)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2:
        array = _from_one_hot(array, rule)
    if array.shape != (count,):
        raise ValueError(f"{rule}; got shape {array.shape}")
    return as_classes(array, name)


def _from_one_hot(array: Array, rule: str) -> Array:
    wrong = (np.count_nonzero(array == 1, axis=1) != 1) | (np.count_nonzero(array, axis=1) != 1)
    if wrong.any():
        place = int(wrong.argmax())
        shown = " ".join(f"{value:g}" for value in array[place, :8])
        raise ValueError(f"{rule}; row {place} is {shown}{' ...' * (array.shape[1] > 8)}")
    return np.asarray(array.argmax(axis=1))


def _each(data: Any, limit: int | None) -> Iterator[Any]:
    """The batches, one by one; what reading them raises becomes one line."""
    rule = "images must be readable batch by batch"
    with as_value_error(rule):
        batches = iter(_in_order(data, limit))
    while True:
        with as_value_error(rule):
            batch = next(batches, _END)
        if batch is _END:
            return
        yield batch


def _in_order(data: Any, limit: int | None) -> Iterable[Any]:
    """The batches of a `PyDataset` by their places: it need not end by itself."""
    import keras

    endless = ValueError("it has no end: the number of images must be given")
    if isinstance(data, keras.utils.PyDataset):
        count = data.num_batches
        if count is None and limit is None:
            raise endless
        places = itertools.count() if count is None else range(count)
        return (data[place] for place in places)
    if limit is None and _is_endless(data):
        raise endless
    return data  # type: ignore[no-any-return]


def _is_endless(data: Any) -> bool:
    """Whether it is a `tf.data.Dataset` that says that it has no end."""
    import tensorflow as tf

    if not isinstance(data, tf.data.Dataset):
        return False
    return bool(data.cardinality() == tf.data.INFINITE_CARDINALITY)


def _parts(batch: Any) -> tuple[Array, NDArray[np.int64] | None]:
    """Images and class numbers of a batch."""
    if isinstance(batch, Mapping):
        keys = ", ".join(map(str, batch))
        raise ValueError(f"{_FORMS}; got a mapping with {keys}: map it to (images, labels) first")
    parts = batch if isinstance(batch, tuple | list) else (batch,)
    if not 1 <= len(parts) <= 3:
        raise ValueError(f"{_FORMS}; got {len(parts)} parts")
    images = as_numbers(parts[0], "a batch must be numbers [B, H, W, C]")
    if images.ndim == 3:
        raise ValueError(
            f"images must come in batches [B, H, W, C]; got {images.shape}: use .batch(32) on "
            "single images, and [..., None] on those without channels"
        )
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(f"a batch must be [B, H, W, C] with B >= 1; got shape {images.shape}")
    labels = as_class_numbers(parts[1], len(images)) if len(parts) > 1 else None
    return images, labels


def _require_alike(
    images: list[Array],
    labels: list[NDArray[np.int64] | None],
    own: Array,
    classes: NDArray[np.int64] | None,
) -> None:
    """Raise `ValueError` unless a batch is like the ones before it."""
    if images and images[0].shape[1:] != own.shape[1:]:
        shapes = f"{images[0].shape[1:]} and {own.shape[1:]}"
        raise ValueError(f"images of all batches must have one shape; got {shapes}")
    if labels and (labels[0] is None) != (classes is None):
        raise ValueError("all batches must have labels, or none; got some with and some without")
