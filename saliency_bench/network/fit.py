"""Whether images fit a model's input: told before anything is computed."""

from __future__ import annotations

from typing import Any

from saliency_bench.network.trace import input_shape

Shape = tuple[int | None, ...]


def require_fit(model: Any, shape: tuple[int, ...]) -> None:
    """Raise `ValueError` if the model does not take images of `shape` `(H, W, C)`.

    A model that does not declare its input, as a subclassed one, is asked when it is run.
    """
    reason = misfit(model, shape)
    if reason is not None:
        raise ValueError(f"images must fit the model {model.name!r}: they are {shape}, {reason}")


def misfit(model: Any, shape: tuple[int, ...]) -> str | None:
    """Why a model does not take images of `shape` `(H, W, C)`; None if it does or does not say."""
    declared = input_shape(model) if getattr(model, "inputs", None) else None
    return difference(shape, declared) or _channels_first(model, shape)


def difference(shape: tuple[int, ...], own: Shape | None) -> str | None:
    """How images of `shape` `(H, W, C)` differ from an input, in words; None if they fit.

    Args:
        shape: of an image.
        own: the input, with None for a size that is not fixed; None if unknown.
    """
    if own is None or _fits(shape, own):
        return None
    return f"its input is {own}{_hint(shape, own)}"


def _hint(shape: tuple[int, ...], own: Shape) -> str:
    if _fits((*shape[1:], shape[0]), own):
        return "; the channels come first: use np.moveaxis(images, 1, -1)"
    match shape[2], own[2]:
        case 4, 3:
            return "; leave out the alpha channel: images[..., :3]"
        case 3, 1:
            return "; make them grey (dataset=image_folder: dataset.channels=1)"
        case 1, 3:
            return "; repeat the channel: np.repeat(images, 3, axis=-1)"
    return ""


def _channels_first(model: Any, shape: tuple[int, ...]) -> str | None:
    """The same for a model of which a layer reads images of this shape as [C, H, W]."""
    for layer in getattr(model, "_flatten_layers", list)():
        if getattr(layer, "data_format", None) != "channels_first" or len(set(shape)) == 1:
            continue
        # Behind a permutation a layer reads another shape than that of the images.
        if any(_fits(shape, own) for own in _read_by(layer)):
            return (
                f"[C, H, W] to its layer {layer.name!r}; maps need [H, W, C]: begin the model with "
                "keras.layers.Permute((3, 1, 2)), give np.moveaxis(images, 1, -1)"
            )
    return None


def _read_by(layer: Any) -> list[Shape]:
    """Shapes of the tensors that a layer reads, as far as it knows them, without their first axis.

    A layer of a subclassed model knows the one for which it was built, if it has weights.
    """
    shapes = list((getattr(layer, "_build_shapes_dict", None) or {}).values())
    shapes += [t.shape for node in layer._inbound_nodes for t in node.input_tensors]
    return [tuple(shape[1:]) for shape in shapes if isinstance(shape, tuple | list)]


def _fits(shape: tuple[int, ...], own: Shape) -> bool:
    return len(shape) == len(own) and all(
        size in (None, given) for given, size in zip(shape, own, strict=True)
    )
