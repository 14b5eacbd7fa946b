"""Spoilt .npz files: images, and trained networks as the cache keeps them."""

from __future__ import annotations

import io
import lzma
import pickle
from functools import cache
from typing import Any

import numpy as np
from numpy.lib import format as npy

from helpers.spoilt import MARKER, Spoilt, Trap, cuts, flips, instead
from helpers.spoilt_zips import DEFLATED, GIB, LZMA, Member, archive, changed, with_members, zeros

CODE = f"__import__('pathlib').Path({MARKER!r}).touch()"

OUTSIDE = ("../../evil.npy", "/evil.npy", "..\\..\\evil.npy", "C:\\evil.npy", "a/../../evil.npy")
"""Names of members that lie outside their archive."""


def saved(**arrays: Any) -> bytes:
    """An .npz file as NumPy writes it, with pickles if need be."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=True, **arrays)
    return file.getvalue()


def header(text: str, *, version: bytes = b"\1\0") -> bytes:
    """The beginning of an .npy file."""
    content = text.encode() + b"\n"
    length = len(content).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + length + content


def described(shape: str, kind: str = "|u1") -> bytes:
    """The beginning of an .npy file with an array of this shape."""
    return header(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}")


def traps() -> np.ndarray:
    """Objects that write the marker when they are unpickled."""
    return np.array([[[Trap()]]], dtype=object)


def _pickled() -> bytes:
    file = io.BytesIO()
    npy.write_array(file, traps(), allow_pickle=True)
    return file.getvalue()


@cache
def _zeros_by_lzma(size: int) -> bytes:
    return lzma.compress(bytes(size), format=lzma.FORMAT_ALONE)


def bombs(name: str) -> list[Spoilt]:
    """Archives whose array of this name would fill the memory."""
    large = described("(4294967296,)")
    packed = zeros(4 * GIB, before=large)
    many = [Member(f"{n}.npy", b"-", says=4 * GIB) for n in range(40)]
    contents = {
        "expands_to_4_GiB": archive(Member(name, packed, 4 * GIB + len(large), DEFLATED)),
        "claims_1_TiB": archive(Member(name, large, says=2**40)),
        "40_claim_4_GiB_each": archive(Member(name, described("(1,)") + b"-"), *many),
        "shape_of_100_TB": archive(Member(name, described("(1000000, 10000, 10000)") + b"-")),
        "shape_beyond_64_bits": archive(
            Member(name, described("(10**9,)".replace("10**9", "9" * 30)))
        ),
        "expands_more_than_claimed": archive(Member(name, packed, 100, DEFLATED)),
    }
    packed_by_lzma = Spoilt(
        "lzma", lambda _: archive(Member(name, _zeros_by_lzma(2**24), 2**24, LZMA))
    )
    return [*(instead(kind, content) for kind, content in contents.items()), packed_by_lzma]


def _odd_headers(name: str) -> list[Spoilt]:
    contents = {
        "shape_negative": described("(-1, 4, 4)") + bytes(16),
        "shape_of_text": described("'abc'") + bytes(16),
        "shape_missing": header("{'descr': '|u1'}"),
        "code_as_header": header(CODE),
        "code_as_shape": described(CODE),
        "nested_header": header("(" * 9000),
        "long_header": header(" " * 60000 + "{}"),
        "version_3": header("{}", version=b"\3\0"),
        "version_9": header("{}", version=b"\t\0"),
        "no_header": b"",
        "pickle": pickle.dumps(Trap()),
        "pickled_array": _pickled(),
        "kind_of_text": described("(1, 1, 1)", "<U4") + bytes(16),
        "kind_unknown": described("(1, 1, 1)", "<q9") + bytes(16),
        "kind_of_dates": described("(1, 1, 1)", "<M8[s]") + bytes(8),
        "kind_of_nothing": described("(99999999999999,)", "|V0"),
    }
    return [instead(kind, archive(Member(name, content))) for kind, content in contents.items()]


def _odd_archives(name: str) -> list[Spoilt]:
    good = described("(1, 1, 1)") + b"-"
    outside = [
        Spoilt(f"member_{number}_outside", lambda whole, way=way: with_members(whole, way))
        for number, way in enumerate(OUTSIDE)
    ]
    return [
        *outside,
        instead("encrypted", archive(Member(name, good, flags=1))),
        instead("unknown_packing", archive(Member(name, good, method=99))),
        instead("deflated_by_name_only", archive(Member(name, good, method=DEFLATED))),
        instead("nothing_in_it", archive()),
        instead("text", b"x, y\n"),
        instead("npy", good),
        instead("pickle_as_file", pickle.dumps(Trap())),
        Spoilt("pickle_before_archive", lambda whole: pickle.dumps(Trap()) + whole, may_load=True),
        Spoilt(
            "npy_before_archive", lambda whole: described("(9999999999999,)") + whole, may_load=True
        ),
    ]


IMAGES = [
    *cuts(),
    *flips(16),
    *bombs("x.npy"),
    *_odd_headers("x.npy"),
    *_odd_archives("x.npy"),
    instead("objects", saved(x=traps())),
    instead("objects_as_labels", saved(x=np.zeros((1, 2, 2), np.uint8), y=traps())),
    Spoilt("objects_beside", lambda _: saved(x=np.zeros((1, 2, 2), np.uint8), z=traps()), True),
]

NETWORKS = [
    *cuts(),
    *flips(16),
    *bombs("0.npy"),
    *_odd_archives("0.npy")[:8],
    Spoilt("no_accuracy", lambda whole: changed(whole, {"train_accuracy.npy": None})),
    Spoilt("objects_as_history", lambda whole: changed(whole, {"history.npy": _pickled()})),
    Spoilt("objects_as_weights", lambda whole: changed(whole, {"1.npy": _pickled()})),
    Spoilt("a_weight_less", lambda whole: changed(whole, {"1.npy": None})),
]
