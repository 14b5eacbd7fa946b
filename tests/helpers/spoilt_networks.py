"""Spoilt .keras files: what Keras would run, unpack or build if it were let."""

from __future__ import annotations

import base64
import io
import json
import marshal
import pickle
import zipfile
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

from helpers.spoilt import MARKER, Spoilt, Trap, cuts, flips, instead
from helpers.spoilt_arrays import OUTSIDE, saved, traps
from helpers.spoilt_zips import DEFLATED, GIB, LZMA, Member, archive, changed, with_members, zeros

CONFIG, WEIGHTS = "config.json", "model.weights.h5"

EVIL_MODULE = "evil_module"
"""A module in the working directory that writes the marker when it is imported."""


def layer(module: str, kind: str, /, **config: Any) -> dict[str, Any]:
    """A layer as `config.json` describes it."""
    return {"module": module, "class_name": kind, "config": config, "registered_name": kind}


def function(module: str, name: str) -> dict[str, Any]:
    """A function as `config.json` describes it."""
    return {
        "module": module, "class_name": "function", "config": name, "registered_name": "function",
    }  # fmt: skip


def code() -> dict[str, Any]:
    """A function by its code: it writes the marker and gives back what it gets."""
    made = compile(f"lambda x: (open({MARKER!r}, 'w').close(), x)[1]", "evil", "eval")
    inner = marshal.dumps(made.co_consts[0])
    held = {"code": base64.b64encode(inner).decode(), "defaults": None, "closure": None}
    return {"class_name": "__lambda__", "config": held}


LAMBDA = layer("keras.layers", "Lambda", name="evil", function=code(), arguments={}) | {
    "registered_name": None
}


def with_layer(entry: Any) -> Callable[[bytes], bytes]:
    """One layer more, before the first one."""
    return _config(lambda layers: layers.insert(1, entry))


def with_units(units: int) -> Callable[[bytes], bytes]:
    """As many units in the last layer."""
    return _config(lambda layers: layers[-1]["config"].update(units=units))


def _config(edit: Callable[[list[Any]], None]) -> Callable[[bytes], bytes]:
    def make(whole: bytes) -> bytes:
        config = json.loads(zipfile.ZipFile(io.BytesIO(whole)).read(CONFIG))
        edit(config["config"]["layers"])
        return changed(whole, {CONFIG: json.dumps(config).encode()})

    return make


def _activation(value: Any) -> Callable[[bytes], bytes]:
    return _config(lambda layers: layers[-1]["config"].update(activation=value))


def _weights(edit: Callable[[h5py.File], None]) -> Callable[[bytes], bytes]:
    def make(whole: bytes) -> bytes:
        file = io.BytesIO(zipfile.ZipFile(io.BytesIO(whole)).read(WEIGHTS))
        with h5py.File(file, "r+") as weights:
            edit(weights)
        return changed(whole, {WEIGHTS: file.getvalue()})

    return make


def _kernel(**other: Any) -> Callable[[bytes], bytes]:
    """Another dataset in the place of the last layer's kernel."""

    def edit(weights: h5py.File) -> None:
        group = weights["layers/dense/vars"]
        del group["0"]
        group.create_dataset("0", **other)

    return _weights(edit)


def _linked(link: Any) -> Callable[[bytes], bytes]:
    def edit(weights: h5py.File) -> None:
        del weights["layers/dense/vars"]
        weights["layers/dense/vars"] = link

    return _weights(edit)


def _json(text: str) -> Callable[[bytes], bytes]:
    return lambda whole: changed(whole, {CONFIG: text.encode()})


_CODE = [
    Spoilt("lambda", with_layer(LAMBDA)),
    Spoilt("lambda_inside", with_layer(layer("keras.layers", "TimeDistributed", layer=LAMBDA))),
    Spoilt("lambda_as_activation", _activation(code())),
    Spoilt("exec_as_activation", _activation(function("builtins", "exec"))),
    Spoilt("system_as_activation", _activation(function("os", "system"))),
    Spoilt("own_function", _activation(function(EVIL_MODULE, "run"))),
    Spoilt("own_class", with_layer(layer(EVIL_MODULE, "Evil"))),
    Spoilt("download", _activation(function("keras.utils", "get_file"))),
    Spoilt("loader", _activation(function("keras.saving", "load_model"))),
    Spoilt(
        "saved_model", with_layer(layer("keras.layers", "TFSMLayer", filepath="other", name="evil"))
    ),
    Spoilt("pickled_weights", lambda whole: changed(
        whole, {WEIGHTS: None, "model.weights.npz": saved(x=traps())})),
    instead("pickle", pickle.dumps(Trap())),
]  # fmt: skip

_BOMBS = [
    instead("config_expands_to_4_GiB", archive(
        Member(CONFIG, zeros(4 * GIB), 4 * GIB, DEFLATED), Member(WEIGHTS, b"-"))),
    instead("config_expands_further", archive(
        Member(CONFIG, zeros(GIB, before=b"{}"), 2, DEFLATED, sums_to=b"{}"),
        Member(WEIGHTS, b"-"))),
    instead("config_is_a_byte_longer", archive(
        Member(CONFIG, zeros(GIB, before=b"{}"), 2, DEFLATED, sums_to=b"{}\0"))),
    instead("weights_claim_1_TiB", archive(
        Member(CONFIG, b"{}"), Member(WEIGHTS, b"-", says=2**40))),
    instead("asset_expands_to_2_GiB", archive(
        Member(CONFIG, b"{}"), Member("metadata.json", b"{}"), Member(WEIGHTS, b"-"),
        Member("assets/a", zeros(2 * GIB), 2 * GIB, DEFLATED))),
    instead("40_claim_4_GiB_each", archive(
        *(Member(f"assets/{n}", b"-", says=4 * GIB) for n in range(40)))),
    instead("lzma", archive(Member(CONFIG, b"-", 2**30, LZMA))),
    Spoilt("kernel_of_4_TB", _kernel(shape=(10**6, 10**6), dtype="f4", chunks=(1000, 1000))),
    Spoilt("negative_layer", with_units(-3)),
]  # fmt: skip

_ODD = [
    *(Spoilt(f"member_{number}_outside", lambda whole, way=way: with_members(whole, way))
      for number, way in enumerate([*OUTSIDE, "assets/../../../evil"])),
    Spoilt("assets_nobody_reads", lambda whole: with_members(whole, "assets/a/b"), may_load=True),
    Spoilt("no_config", lambda whole: changed(whole, {CONFIG: None})),
    Spoilt("no_weights", lambda whole: changed(whole, {WEIGHTS: None})),
    Spoilt("weights_of_text", lambda whole: changed(whole, {WEIGHTS: b"weights"})),
    Spoilt("config_of_text", _json("a network")),
    Spoilt("config_of_bytes", lambda whole: changed(whole, {CONFIG: b"\xff\xfe"})),
    Spoilt("config_a_list", _json("[]")),
    Spoilt("config_a_number", _json("3")),
    Spoilt("config_empty", _json("{}")),
    Spoilt("config_nested", _json('{"config":' * 5000 + "1" + "}" * 5000)),
    Spoilt("config_no_model", _json(json.dumps(layer("keras.layers", "Flatten")))),
    Spoilt("no_such_layer", with_layer(layer("keras.layers", "Evil"))),
    Spoilt("external_link", _linked(h5py.ExternalLink("other.h5", "/"))),
    Spoilt("soft_link", _linked(h5py.SoftLink("/layers/conv2d/vars"))),
    Spoilt("circle", _linked(h5py.SoftLink("/layers/dense"))),
    Spoilt("another_files_bytes", _kernel(
        shape=(72, 3), dtype="f4", external=[("other.h5", 0, 72 * 3 * 4)])),
    Spoilt("kernel_of_another_shape", _kernel(data=np.zeros((3, 3), np.float32))),
    Spoilt("kernel_of_text", _kernel(data=np.array([[b"a"]]))),
]  # fmt: skip

NETWORKS = [*cuts(), *flips(24), *_CODE, *_BOMBS, *_ODD]
