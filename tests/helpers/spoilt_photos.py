"""Spoilt PNG and JPEG files."""

from __future__ import annotations

import io
import pickle
import struct
import zlib

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


def _deflated(size: int) -> bytes:
    """So many zeros as a stream of zlib's."""
    return b"\x78\xda" + zeros(size) + struct.pack(">I", 1)


TEXT = _chunk(b"zTXt", b"Comment\0\0" + _deflated(2**28))
PROFILE = _chunk(b"iCCP", b"icc\0\0" + _deflated(2**28))

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
    instead("text_of_256_MiB", _png(2, 1, TEXT, pixels=bytes(7)), may_load=True),
    instead("profile_of_256_MiB", _png(2, 1, PROFILE, pixels=bytes(7)), may_load=True),
]

JPEG = [
    *cuts(last_may_load=True),
    *flips(14),
    *_STRANGE,
    Spoilt("says_65535_x_65535", _wide),
]
