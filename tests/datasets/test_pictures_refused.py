"""Pictures that have no one meaning as pixels are refused in one line, in a folder and alone."""

import io
import re

import numpy as np
import pytest
from helpers.picture_files import DEEP, PIXELS, deep_png, deep_tiff, in_a_folder, saved
from PIL import Image

from saliency_bench.datasets.pictures import open_picture


def two_frames(path):
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def keyed(mode, key):
    """Writes a picture of which one colour is transparent, by its number or its RGB."""

    def write(path):
        Image.fromarray(PIXELS).convert(mode).save(path, transparency=key)

    return write


def one_clear(pixels):
    clear = pixels.copy()
    clear[3, 4, -1] -= 1
    return clear


CLEAR = "parts of it are transparent; put it on a background first"
STORED = "are stored in a way that is not read; save it as PNG"

_ALPHA = np.full((9, 9, 1), 255, np.uint8)
_FIRST = int(np.asarray(Image.fromarray(PIXELS).convert("P"))[0, 0])


def colour_key(samples):
    return b"tRNS", samples[2, 2].astype(">u2").tobytes()


TRANSPARENT = {
    "rgba.png": lambda p: saved(p, one_clear(np.dstack([PIXELS, _ALPHA]))),
    "grey_alpha.png": lambda p: Image.new("LA", (9, 9), (50, 200)).save(p),
    "palette.png": keyed("P", _FIRST),
    "key.png": keyed("RGB", tuple(map(int, PIXELS[0, 0]))),
    "grey_key.png": lambda p: saved(p, PIXELS[..., 0], transparency=int(PIXELS[0, 0, 0])),
    "rgba.tif": lambda p: saved(p, np.zeros((9, 9, 4), np.uint8)),
    "deep_rgba.png": lambda p: deep_png(p, one_clear(DEEP), 6),
    "deep_key.png": lambda p: deep_png(p, DEEP[..., :3], 2, colour_key(DEEP[..., :3])),
    "deep_grey_key.png": lambda p: deep_png(p, DEEP[..., 0], 0, colour_key(DEEP[..., :1])),
}

PLANES = {"photometric": "rgb", "planarconfig": "separate"}
OTHERS = {
    "moves.png": (two_frames, "it has 2 frames; save one of them"),
    "pages.tif": (two_frames, "it has 2 frames; save one of them"),
    "moves.jpg": (lambda p: p.write_bytes(gif()), "it is of another kind, or damaged"),
    "text.png": (lambda p: p.write_text("no picture"), "it is of another kind, or damaged"),
    "lab.tif": (lambda p: saved(p, PIXELS, "LAB"), "its pixels are of kind LAB"),
    "negative.tif": (
        lambda p: deep_tiff(p, DEEP[..., 0], photometric="miniswhite"),
        "are 0 for white; save it with 0 for black",
    ),
    "grey_alpha.png": (
        lambda p: deep_png(p, DEEP[..., 2:], 4),
        f"its samples of 16 bits (RGBA) {STORED}",
    ),
    "planes.tif": (
        lambda p: deep_tiff(p, np.moveaxis(DEEP[..., :3], -1, 0), **PLANES),
        f"its samples of 16 bits (RGB) {STORED}",
    ),
    "floats.tif": (lambda p: deep_tiff(p, np.float32(DEEP[..., 0])), f"of 32 bits (F) {STORED}"),
    "signed.tif": (lambda p: deep_tiff(p, np.int16(PIXELS[..., 0])), f"of 16 bits (I) {STORED}"),
    "long.tif": (lambda p: deep_tiff(p, np.int32(PIXELS[..., 0])), f"of 32 bits (I) {STORED}"),
}

REFUSED = {
    **{name: (write, CLEAR) for name, write in TRANSPARENT.items()},
    **{f"other_{name}": case for name, case in OTHERS.items()},
}


def gif():
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "GIF")
    return file.getvalue()


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_still_and_opaque_picture_is_refused_in_a_line(tmp_path, name):
    write, reason = REFUSED[name]
    write(tmp_path / name)
    rule = f"{name} must be a still and opaque JPEG, PNG or TIFF file: "
    for read in (open_picture, lambda path: in_a_folder(path, (4, 4, 3))):
        with pytest.raises(ValueError, match=re.escape(reason)) as raised:
            read(tmp_path / name)
        line = str(raised.value).replace(str(tmp_path), "")
        assert rule in line
        assert "\n" not in line
        assert len(line) < 300


def test_a_transparent_colour_that_does_not_occur_is_none(tmp_path):
    saved(tmp_path / "a.png", np.maximum(PIXELS, 1), transparency=(0, 0, 0))
    assert open_picture(tmp_path / "a.png").channels == 3


def test_of_a_phone_s_jpeg_the_first_picture_is_read(tmp_path):
    frames = [Image.fromarray(np.full((9, 9, 3), value, np.uint8)) for value in (50, 200)]
    frames[0].save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=frames[1:])
    assert (open_picture(tmp_path / "a.jpg").fitted((9, 9, 3)) == 50).all()
