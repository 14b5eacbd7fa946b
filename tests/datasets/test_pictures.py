"""Every kind of picture has the pixels it shows, in a folder of a run as in `explain`."""

import io
import re
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from saliency_bench.datasets import ImageFolder
from saliency_bench.datasets.pictures import open_picture

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (9, 9, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (9, 9, 4)).astype(np.uint16)
DEEP[0, 0, :3], DEEP[0, 1, :3], DEEP[..., 3] = 65535, 0, 65535

UPRIGHT = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40 + 7
AS_STORED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.T,
    6: np.rot90(UPRIGHT),
    7: UPRIGHT[::-1, ::-1].T,
    8: np.rot90(UPRIGHT, -1),
}
"""The stored pixels of an upright picture, by EXIF's number of the turn that undoes them."""


def saved(path, pixels, mode=None, **how):
    image = Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(path, **how)
    return path


def deep_png(path, samples, kind, *chunks):
    """A PNG of 16 bits a sample: kind 0 is grey, 2 RGB, 4 grey with alpha, 6 RGBA."""
    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    parts = ((b"IHDR", head), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    whole = [struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c))
             for n, c in parts]  # fmt: skip
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(whole))
    return path


def in_a_folder(path, shape):
    """The pixels of the only picture in a folder, as a run reads them."""
    settings = ImageFolder(str(path.parent), size=shape[:2], channels=shape[2])
    return np.asarray(settings.load().pixels)[0]


# ---------------------------------------------------------------- the same pixels in both


SHAPES = [(9, 9, 3), (6, 4, 3), (9, 9, 1), (6, 4, 1)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "make",
    {
        "grey": lambda p: saved(p / "a.png", PIXELS[..., 0]),
        "grey_alpha": lambda p: saved(p / "a.png", PIXELS[..., 0], "LA"),
        "one_bit": lambda p: saved(p / "a.png", PIXELS[..., 0], "1"),
        "colour": lambda p: saved(p / "a.png", PIXELS),
        "jpeg": lambda p: saved(p / "a.jpg", PIXELS),
        "cmyk": lambda p: saved(p / "a.jpg", PIXELS, "CMYK"),
        "palette": lambda p: saved(p / "a.png", PIXELS, "P"),
        "opaque": lambda p: saved(p / "a.png", PIXELS, "RGBA"),
        "tiff": lambda p: saved(p / "a.tif", PIXELS),
        "deep_grey": lambda p: saved(p / "a.png", DEEP[..., 0]),
        "deep_colour": lambda p: deep_png(p / "a.png", DEEP[..., :3], 2),
        "turned": lambda p: saved(p / "a.jpg", PIXELS, exif=turned(6)),
    }.items(),
    ids=lambda item: item[0],
)  # fmt: skip
def test_explained_and_judged_are_the_same_pixels(tmp_path, make, shape):
    path = make[1](tmp_path)
    picture = open_picture(path)
    if picture.channels > shape[2]:
        line = r"a\.\w+ must be grey, as the model takes one channel; it has colours"
        for read in (picture.pixels, lambda shape: in_a_folder(path, shape)):
            with pytest.raises(ValueError, match=line):
                read(shape)
        return
    pixels = picture.pixels(shape)
    assert pixels.shape == shape
    assert 0 <= pixels.min() < pixels.max() <= 1
    np.testing.assert_array_equal(in_a_folder(path, shape), pixels)


def turned(number):
    exif = Image.Exif()
    exif[274] = number
    return exif


def test_the_centre_is_cut_out_and_resized(tmp_path):
    path = saved(tmp_path / "wide.png", RNG.integers(0, 256, (30, 50, 3), np.uint8))
    found = open_picture(path)
    np.testing.assert_array_equal(found.pixels((16, 12, 3)), in_a_folder(path, (16, 12, 3)))
    assert found.describe(16, 12) == "30x50, its centre, resized to 16x12"
    assert found.describe(30, 50) == "30x50 as it is"


# ---------------------------------------------------------------- the right pixels


@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
@pytest.mark.parametrize("number", range(1, 9))
def test_a_picture_is_turned_as_its_camera_says(tmp_path, number, ending):
    how = {"quality": 100} if ending == "jpg" else {}
    path = saved(tmp_path / f"a.{ending}", AS_STORED[number], exif=turned(number), **how)
    found = open_picture(path).pixels((2, 3, 1))[..., 0]
    np.testing.assert_allclose(found * 255, UPRIGHT, atol=1.01 if ending == "jpg" else 1e-4)


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("1", 1), ("L", 1), ("P", 3), ("RGB", 3), ("RGBA", 3), ("LA", 1)],
)
def test_every_kind_of_picture_keeps_its_pixels(tmp_path, mode, channels):
    image = Image.fromarray(PIXELS).convert(mode)
    image.save(tmp_path / "a.png")
    found = open_picture(tmp_path / "a.png")
    assert found.channels == channels
    plain = np.asarray(image.convert("L" if channels == 1 else "RGB"), np.float32) / 255
    pixels = found.pixels((9, 9, channels))
    np.testing.assert_allclose(pixels.squeeze(), plain, atol=1e-6)
    np.testing.assert_array_equal(found.pixels((9, 9, 3))[..., :channels], pixels)


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (30, 60, 200), (255, 255, 255)])
def test_ink_becomes_light(tmp_path, colour):
    cmyk = np.full((4, 4, 4), [*(255 - np.array(colour)), 0], np.uint8)
    for ending, how in (("jpg", {"quality": 100}), ("tif", {})):
        path = tmp_path / f"a.{ending}"
        Image.fromarray(cmyk, "CMYK").save(path, **how)
        found = open_picture(path).pixels((4, 4, 3))
        np.testing.assert_allclose(found * 255, np.broadcast_to(colour, (4, 4, 3)), atol=3)


def test_a_grey_picture_saved_in_colours_is_grey(tmp_path):
    shades = np.repeat(PIXELS[..., :1], 3, axis=-1)
    found = open_picture(saved(tmp_path / "a.png", shades))
    np.testing.assert_allclose(found.pixels((9, 9, 1)), shades[..., :1] / 255, atol=1e-6)
    assert open_picture(saved(tmp_path / "a.jpg", shades)).channels == 1
    deep = np.repeat(DEEP[..., :1], 3, axis=-1)
    found = open_picture(deep_png(tmp_path / "deep.png", deep, 2))
    np.testing.assert_allclose(found.pixels((9, 9, 1)), deep[..., :1] / 65535, atol=1e-6)


def test_grey_of_nearly_equal_channels_is_pillow_s(tmp_path):
    near = (PIXELS[..., :1] // 2 + RNG.integers(0, 3, (9, 9, 3))).astype(np.uint8)
    found = open_picture(saved(tmp_path / "a.png", near))
    expected = np.asarray(Image.fromarray(near).convert("L"))
    np.testing.assert_array_equal(found.fitted((9, 9, 1))[..., 0], expected)


# ---------------------------------------------------------------- sixteen bits


def deep_tiff(path, samples, **how):
    tifffile.imwrite(path, samples, **how)
    return path


@pytest.mark.parametrize(
    "make",
    {
        "png": lambda p: deep_png(p, DEEP[..., 0], 0),
        "tiff": lambda p: deep_tiff(p, DEEP[..., 0], photometric="minisblack"),
        "big_endian": lambda p: deep_tiff(p, DEEP[..., 0], byteorder=">"),
        "rgb_png": lambda p: deep_png(p, DEEP[..., :3], 2),
        "rgba_png": lambda p: deep_png(p, DEEP, 6),
        "rgb_tiff": lambda p: deep_tiff(p, DEEP[..., :3], photometric="rgb"),
        "rgb_big_endian": lambda p: deep_tiff(p, DEEP[..., :3], photometric="rgb", byteorder=">"),
        "rgb_deflated": lambda p: deep_tiff(
            p, DEEP[..., :3], photometric="rgb", compression="zlib"
        ),
    }.items(),
    ids=lambda item: item[0],
)  # fmt: skip
def test_sixteen_bits_are_kept(tmp_path, make):
    name, write = make
    path = write(tmp_path / ("a.png" if name.endswith("png") else "a.tif"))
    channels = 3 if name.startswith("rgb") else 1
    found = open_picture(path).pixels((9, 9, channels))
    expected = DEEP[..., :channels] / np.float32(65535)
    np.testing.assert_array_equal(found, expected)
    assert (found[0, 0] == 1).all()
    assert (found[0, 1] == 0).all()
    np.testing.assert_array_equal(in_a_folder(path, (9, 9, channels)), expected)


def test_bytes_in_sixteen_bits_are_the_same_pixels(tmp_path):
    deep = open_picture(deep_png(tmp_path / "a.png", PIXELS.astype(np.uint16) * 257, 2))
    plain = open_picture(saved(tmp_path / "b.png", PIXELS))
    np.testing.assert_array_equal(deep.pixels((9, 9, 3)), plain.pixels((9, 9, 3)))
    # Pillow rounds bytes between its two passes.
    np.testing.assert_allclose(deep.pixels((5, 7, 3)), plain.pixels((5, 7, 3)), atol=1.5 / 255)


def test_sixteen_bits_are_turned_too(tmp_path):
    stored = np.rot90(DEEP[:6, :4])
    Image.fromarray(np.ascontiguousarray(stored[..., 0])).save(tmp_path / "a.png", exif=turned(6))
    found = open_picture(tmp_path / "a.png").pixels((6, 4, 1))
    np.testing.assert_array_equal(found, DEEP[:6, :4, :1] / np.float32(65535))
    exif = turned(6).tobytes().removeprefix(b"Exif\0\0")
    path = deep_png(tmp_path / "b.png", stored[..., :3], 2, (b"eXIf", exif))
    found = open_picture(path).pixels((6, 4, 3))
    np.testing.assert_array_equal(found, DEEP[:6, :4, :3] / np.float32(65535))


# ---------------------------------------------------------------- refusals


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
