"""TensorBoard's event files, written and read without TensorBoard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

MAPS = "saliency_bench_maps"
"""Plug-in name of raw maps, since no plug-in of TensorBoard shows tensors."""

Pictures = Sequence[NDArray[np.uint8]]


def require_writable(log_dir: object) -> str:
    """The folder as text, created if it is missing; any path that `tf.io.gfile` supports.

    Raises:
        ValueError: if it is no folder, or cannot be written to.
    """
    if not isinstance(log_dir, str | PurePath) or not str(log_dir):
        raise ValueError(f"log_dir must be a folder; got {log_dir!r}")
    probe = tf.io.gfile.join(str(log_dir), ".saliency_bench_probe")
    try:
        tf.io.gfile.makedirs(str(log_dir))
        with tf.io.gfile.GFile(probe, "w") as file:
            file.write("")
        tf.io.gfile.remove(probe)
    except (tf.errors.OpError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"log_dir must be a folder to write to; got {log_dir!s}: {reason}"
        ) from None
    return str(log_dir)


class Events:
    """One run of TensorBoard: an event file in a folder of its own.

    TensorBoard reads only the newest file of a folder, so two growing files need two folders.

    Args:
        parts: the folder, and the names of nested folders.
    """

    def __init__(self, *parts: str) -> None:
        self._folder = tf.io.gfile.join(*parts)
        self._writer: tf.summary.SummaryWriter | None = None

    def scalar(self, tag: str, value: float, *, step: int, about: str = "") -> None:
        """Write a point of a curve, which may be NaN.

        Args:
            tag: name of the curve.
            value: the point.
            step: its position.
            about: description of the curve.
        """
        self._write("scalars", tag, np.float32(value), step, about)

    def text(self, tag: str, markdown: str, *, step: int) -> None:
        """Write a text.

        Args:
            tag: its name.
            markdown: the text.
            step: its position.
        """
        self._write("text", tag, markdown, step)

    def pictures(self, tag: str, pictures: Pictures, *, step: int, about: str = "") -> None:
        """Write pictures of one size, side by side.

        Args:
            tag: their name.
            pictures: `[H, W, 1 or 3]` uint8 each.
            step: their position.
            about: description of the pictures.
        """
        height, width = pictures[0].shape[:2]
        encoded = [tf.io.encode_png(picture).numpy() for picture in pictures]
        self._write("images", tag, [str(width), str(height), *encoded], step, about)

    def maps(self, tag: str, maps: NDArray[np.float32], *, step: int) -> None:
        """Write raw maps without loss.

        Args:
            tag: their name.
            maps: `[N, H, W, C']`.
            step: their position.
        """
        self._write(MAPS, tag, maps, step)

    def flush(self) -> None:
        """Write everything so far to the file."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Close the file; a later write opens another one."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write(self, plugin: str, tag: str, tensor: object, step: int, about: str = "") -> None:
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(self._folder)
        kind = tf.compat.v1.SummaryMetadata.PluginData(plugin_name=plugin)
        metadata = tf.compat.v1.SummaryMetadata(plugin_data=kind, summary_description=about)
        with self._writer.as_default(step), tf.summary.record_if(True):
            tf.summary.write(tag, tensor, metadata=metadata)


def read_maps(log_dir: str | PurePath) -> dict[str, dict[int, NDArray[np.float32]]]:
    """The raw maps `[N, H, W, C']` that an `ExplanationCallback` wrote, bit for bit.

    Args:
        log_dir: the callback's `log_dir`.

    Returns:
        Maps by explainer, then by the number of epochs trained before.
    """
    maps: dict[str, dict[int, NDArray[np.float32]]] = {}
    for tag, step, plugin, tensor in read(log_dir):
        if plugin == MAPS:
            maps.setdefault(tag.removeprefix("maps/"), {})[step] = tensor
    return maps


def read(folder: str | PurePath) -> Iterator[tuple[str, int, str, NDArray[Any]]]:
    """Tag, step, plug-in and value of everything below a folder, oldest file first."""
    kinds: dict[tuple[str, str], str] = {}
    for path in sorted(_event_files(str(folder))):
        for event in _events(path):
            for value in event.summary.value:
                # Only the first value of a tag names its plug-in.
                kind = value.metadata.plugin_data.plugin_name
                plugin = kinds.setdefault((path, value.tag), kind)
                yield value.tag, event.step, plugin, tf.make_ndarray(value.tensor)


def _event_files(folder: str) -> Iterator[str]:
    for parent, _, names in tf.io.gfile.walk(folder):
        yield from (tf.io.gfile.join(parent, n) for n in names if n.startswith("events.out."))


def _events(path: str) -> Iterator[tf.compat.v1.Event]:
    try:
        for record in tf.data.TFRecordDataset(path, buffer_size=1 << 20):
            yield tf.compat.v1.Event.FromString(record.numpy())
    except tf.errors.DataLossError:
        # The last record is incomplete: the file is being written, or its process was killed.
        return
