"""Picture files of many kinds."""

import struct
import zlib

import numpy as np
import tifffile
from PIL import Image

from saliency_bench.datasets import ImageFolder

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (9, 9, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (9, 9, 4)).astype(np.uint16)
DEEP[0, 0, :3], DEEP[0, 1, :3], DEEP[..., 3] = 65535, 0, 65535


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


def turned(number):
    exif = Image.Exif()
    exif[274] = number
    return exif


def deep_tiff(path, samples, **how):
    tifffile.imwrite(path, samples, **how)
    return path
