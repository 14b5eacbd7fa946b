import errno
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from helpers import numpy_study
from helpers.numpy_study import Cascade, Gradient, Image, Method, require_same

from saliency_bench import engine
from saliency_bench.engine import plan as planning
from saliency_bench.similarities import SSIM, Spearman
from saliency_bench.storage.store import Store


def cells(folder):
    return sorted((folder / "cells").glob("[!.]*"))


def strays(folder):
    return [path for path in folder.rglob(".*") if path.is_file()]


def saved_later(monkeypatch):
    """Counts how often each cell is saved from now on."""
    saved = Counter()
    save = Store.save_cell

    def counting(self, key, arrays):
        saved[key] += 1
        save(self, key, arrays)

    monkeypatch.setattr(Store, "save_cell", counting)
    return saved


@dataclass(frozen=True)
class Interrupted(Method):
    """A gradient whose call number `at` is interrupted; `at` is no part of its identity."""

    at: int

    def __repr__(self):
        return "Interrupted()"

    def explain(self, model, images, targets, keys):
        if model.calls.count("Interrupted") == self.at:
            raise KeyboardInterrupt
        return model.gradient(images, targets)


@pytest.mark.parametrize("at", [1, 2, 3, 5, 8, 11, 16])
def test_an_interrupted_run_goes_on_where_it_was(make_study, run, tmp_path, monkeypatch, at):
    monkeypatch.setattr(planning, "SHARD", 32)

    def a_study(k):
        return make_study(40, explainers={"image": Image(), "stops": Interrupted(k)})

    whole = run(a_study(0), "whole")
    with pytest.raises(KeyboardInterrupt):
        run(a_study(at))
    before = {path.stem for path in cells(tmp_path / "run")}
    saved = saved_later(monkeypatch)
    rest = run(a_study(0))
    require_same(rest.scores, whole.scores)
    require_same(rest.floors, whole.floors)
    require_same(rest.networks, whole.networks)
    assert before.isdisjoint(saved)
    assert set(saved.values()) <= {1}
    assert rest.outcome.computed == len(saved) == whole.outcome.computed - len(before)
    assert not strays(tmp_path)


def test_an_explainer_that_has_finished_is_saved_before_the_next_one_begins(
    make_study, run, tmp_path
):
    def a_study(k):
        return make_study(40, explainers={"image": Image(), "stops": Interrupted(k)}, cores=1)

    with pytest.raises(KeyboardInterrupt):
        run(a_study(1))
    assert len(cells(tmp_path / "run")) == 1
    stopped = run(a_study(10**6))
    require_same(stopped.scores, run(a_study(10**6), "whole").scores)


def test_going_on_explains_no_more_than_it_must(make_study, run, tmp_path):
    run(make_study(32))
    missing = engine.make_steps(make_study(32))[3]  # the second draw of the first stage
    (tmp_path / "run" / "cells" / f"{missing.keys['gradient']}.npz").unlink()
    a_study = make_study(32)
    again = run(a_study)
    # The untouched map, the draw before for the floor, and the missing one.
    assert a_study.network.model.calls == ["Gradient"] * 3
    assert again.outcome.computed == 1
    assert again.progress.steps == again.progress.total == 2


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def put_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "file").write_text("")


def make_unreadable(path: Path) -> None:
    path.unlink()
    path.symlink_to("/proc/self/mem")  # to read its first byte is an error of the disk


def flipped(share: float) -> Callable[[Path], None]:
    def flip(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[int(share * (len(content) - 1))] ^= 1
        path.write_bytes(content)

    return flip


DAMAGES = {
    "truncated": truncate,
    "empty": empty,
    "a folder": put_folder,
    **({"unreadable": make_unreadable} if Path("/proc/self/mem").exists() else {}),
    **{f"flipped at {share}": flipped(share) for share in (0.0, 0.3, 0.5, 0.9, 1.0)},
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_cell_is_computed_anew_and_counted(make_study, run, tmp_path, damage):
    whole = run(make_study())
    for path in cells(tmp_path / "run")[::9]:
        damage(path)
    damaged = len(cells(tmp_path / "run")[::9])
    again = run(make_study())
    require_same(again.scores, whole.scores)
    require_same(again.floors, whole.floors)
    assert again.outcome.damaged == again.outcome.computed == damaged
    assert all(path.is_file() and not path.is_symlink() for path in cells(tmp_path / "run"))
    assert run(make_study()).outcome.damaged == 0


def test_a_cell_that_goes_bad_behind_the_loops_back_is_an_error(make_study, run, tmp_path):
    from saliency_bench.results import tables

    run(make_study())
    steps = engine.make_steps(make_study())
    truncate(tmp_path / "run" / "cells" / f"{steps[-1].keys['image']}.npz")
    store = Store(tmp_path / "run")
    with pytest.raises(OSError, match="image under cascade, layer 2, is gone"):
        tables.scores(make_study(), store, steps, engine.Outcome())


@pytest.mark.parametrize("broken", ["replace", "fsync"])
def test_a_full_disk_passes_through_and_what_was_saved_stays(
    make_study, run, tmp_path, monkeypatch, broken
):
    works, calls = getattr(os, broken), []

    def full(*args):
        calls.append(args)
        if len(calls) > 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        return works(*args)

    a_study = make_study()
    with monkeypatch.context() as patched:
        patched.setattr(os, broken, full)
        with pytest.raises(OSError, match="No space left"):
            run(a_study)
    assert a_study.network.fingerprint() == make_study().network.fingerprint()
    store = Store(tmp_path / "run")
    assert len(cells(tmp_path / "run")) == 10
    assert all(store.cell(path.stem) for path in cells(tmp_path / "run"))
    assert not strays(tmp_path)
    assert run(make_study()).outcome.computed == 18


# ---------------------------------------------------------------- more of something


def test_one_more_similarity_keeps_the_columns_that_are_there(make_study, run, tmp_path):
    one = {"spearman": Spearman()}
    first = run(make_study(similarities=one))
    path = tmp_path / "run" / "cells" / f"{engine.make_steps(make_study())[1].keys['gradient']}.npz"
    with np.load(path) as file:
        before = file[repr(Spearman())]
    more = run(make_study(similarities=one | {"ssim": SSIM()}))
    with np.load(path) as file:
        assert file[repr(Spearman())].tobytes() == before.tobytes()
        assert repr(SSIM()) in file.files
    old = more.scores[more.scores["similarity"] == "spearman"].reset_index(drop=True)
    require_same(old, first.scores)
    assert more.outcome.computed == 21  # not the network's seven
    assert run(make_study(similarities=one)).outcome.computed == 0


def test_one_more_explainer_computes_its_own_cells_only(make_study, run):
    run(make_study(explainers={"image": Image()}))
    a_study = make_study(explainers={"gradient": Gradient(), "image": Image()})
    more = run(a_study)
    assert more.outcome.computed == 7
    assert set(a_study.network.model.calls) == {"Gradient"}
    require_same(more.scores, run(a_study, "at once").scores)


def test_more_draws_keep_the_ones_that_are_there(make_study, run):
    few = run(make_study(checks={"cascade": Cascade(draws=2)}))
    more = run(make_study(checks={"cascade": Cascade(draws=3)}))
    assert more.outcome.computed == 2 * 4
    old = more.scores[more.scores["draw"] < 2].reset_index(drop=True)
    require_same(old, few.scores)


# ---------------------------------------------------------------- maps


def maps_in(folder):
    return {str(path.relative_to(folder)): path for path in folder.rglob("maps/**/*.npz")}


def test_maps_are_saved_and_completed(make_study, run, tmp_path):
    folder = tmp_path / "run"
    plain = run(make_study(40))
    assert not maps_in(folder)
    kept = run(make_study(40), save_maps=True)
    require_same(kept.scores, plain.scores)
    files = maps_in(folder)
    assert len(files) == 3 * 7
    name, path = next((n, p) for n, p in files.items() if "gradient/001-02-000000" in n)
    with np.load(path) as file:
        maps = file["maps"]
    a_study = make_study(40)
    scene = a_study.scene
    with numpy_study.Redrawn(1, 2).applied(a_study.network, scene):
        expected = a_study.network.model.gradient(scene.images, scene.targets)
    np.testing.assert_allclose(maps, expected, rtol=1e-6)
    path.unlink()
    again = run(make_study(40), save_maps=True)
    assert maps_in(folder).keys() == files.keys()
    assert name in maps_in(folder)
    assert again.outcome.computed == 1
    assert run(make_study(40), save_maps=True).outcome.computed == 0


def test_maps_of_any_name_stay_in_the_folder(make_study, run, tmp_path):
    explainers = {"../../up": Image(), "a/b": Image(), "..": Image()}
    run(make_study(5, explainers=explainers), save_maps=True)
    assert len(maps_in(tmp_path / "run")) == 3 * 7
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    made = {"cells", "maps", "lock", "scores.parquet", "floors.parquet"}
    assert {path.name for path in (tmp_path / "run").iterdir()} == made


def test_maps_of_another_study_are_not_taken_for_ours(make_study, run, tmp_path):
    run(make_study(5), save_maps=True)
    other = replace(make_study(5), settings={"threads": 7})
    assert run(other, save_maps=True).outcome.computed == 28
    assert len(maps_in(tmp_path / "run")) == 2 * 21
