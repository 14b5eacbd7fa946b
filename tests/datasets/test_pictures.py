"""Every kind of picture has the pixels it shows, in a folder of a run as in `explain`."""

import numpy as np
import pytest
from helpers.picture_files import DEEP, PIXELS, RNG, deep_png, deep_tiff, in_a_folder, saved, turned
from PIL import Image

from saliency_bench.datasets.pictures import open_picture

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
