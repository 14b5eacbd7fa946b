"""Spoilt PNG, JPEG and TIFF files."""

from __future__ import annotations

import io
import pickle
import struct
import zlib
from functools import cache

from PIL import Image

from helpers.spoilt import MARKER, Spoilt, Trap, cuts, flips, instead
from helpers.spoilt_zips import zeros

EPS = f"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 8 8
({MARKER}) (w) file closefile showpage
%%EOF
"""
"""A drawing that is a program."""


def saved(kind: str) -> bytes:
    """A photo of 24 x 16 pixels."""
    file = io.BytesIO()
    Image.radial_gradient("L").resize((24, 16)).convert("RGB").save(file, kind)
    return file.getvalue()


def _chunk(name: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


def _png(width: int, height: int, *chunks: bytes, pixels: bytes = b"") -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = _chunk(b"IDAT", zlib.compress(pixels))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + body + _chunk(b"IEND", b"")


def _wide(whole: bytes) -> bytes:
    """A JPEG that says it is as large as one can be."""
    at = whole.index(b"\xff\xc0") + 5
    return whole[:at] + b"\xff\xff\xff\xff" + whole[at + 4 :]


@cache
def _bomb(chunk: bytes, name: bytes) -> bytes:
    """A picture with 256 MiB of zeros, deflated, beside its pixels."""
    deflated = b"\x78\xda" + zeros(2**28) + struct.pack(">I", 1)
    return _png(2, 1, _chunk(chunk, name + b"\0\0" + deflated), pixels=bytes(7))


BITMAP = b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack(
    "<IiiHHIIiiII", 40, 32_000, 32_000, 1, 32, 0, 0, 0, 0, 0, 0
)  # fmt: skip
"""Another format, that says it has 4 GB of pixels."""

_STRANGE = [
    instead("text", b"a photo"),
    instead("pickle", pickle.dumps(Trap())),
    instead("eps", EPS.encode()),
    instead("bitmap", BITMAP),
]

PNG = [
    *cuts(last_may_load=True),
    *flips(14),
    *_STRANGE,
    instead("says_50000_x_50000", _png(50_000, 50_000)),
    instead("says_2_to_the_31", _png(2**31 - 1, 2**31 - 1)),
    instead("says_100_million_pixels", _png(10_000, 10_000)),
    instead("no_width", _png(0, 8)),
    instead("no_pixels", _png(24, 16)),
    Spoilt("text_of_256_MiB", lambda _: _bomb(b"zTXt", b"Comment"), may_load=True),
    Spoilt("profile_of_256_MiB", lambda _: _bomb(b"iCCP", b"icc"), may_load=True),
]

JPEG = [
    *cuts(last_may_load=True),
    *flips(14),
    *_STRANGE,
    Spoilt("says_65535_x_65535", _wide),
]

TIFF = [*cuts(), *_STRANGE]
