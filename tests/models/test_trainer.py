"""Networks by name: what tells them apart, the cache that keeps them, and what it survives."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.listener import Listener

from saliency_bench import network as networks
from saliency_bench import randomize
from saliency_bench.datasets import Digits
from saliency_bench.models import CNN, Saved, Trainer, Training, with_others
from saliency_bench.models.cache_keys import thread_setting
from saliency_bench.models.trainer import fit
from saliency_bench.protocols import NetworkName, NotApplicable, Preprocessing

TINY = CNN(
    filters=(4,), kernel=3, units=8, training=Training(epochs=2, batch_size=8, stop_accuracy=None)
)
PERMUTED = NetworkName("permuted", 1.0, 0)
NAMES = [
    NetworkName(),
    NetworkName(draw=1),
    PERMUTED,
    NetworkName("permuted", 1.0, 1),
    NetworkName("permuted", 0.5, 0),
    NetworkName("permuted", 0.0, 0),
    NetworkName("uniform", 1.0, 0),
]


def trainer(dataset, cache, *, settings=TINY, seed=0, progress=None):
    return Trainer(settings, dataset, seed=seed, cache=cache, progress=progress)


def files(cache):
    return sorted(cache.glob("*.npz"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def lessons():
    """First weights, labels and seed of every training of `taught`, by name."""
    return {}


@pytest.fixture(scope="module")
def taught(stripes, cache, lessons):
    """A trainer that has trained every kind of network."""

    def told(network, images, labels, training, *, seed, name, progress):
        lessons[NAMES[len(lessons)]] = (network.get_weights(), labels, seed)
        return fit(network, images, labels, training, seed=seed, name=name, progress=progress)

    made = trainer(stripes, cache)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("saliency_bench.models.trainer.fit", told)
        for name in NAMES:
            made(name)
    return made


# ---------------------------------------------------------------- names


@pytest.mark.usefixtures("taught")
def test_no_two_networks_start_alike_or_see_the_images_in_one_order(lessons):
    firsts = {weights[0].tobytes() for weights, _, _ in lessons.values()}
    seeds = [seed for _, _, seed in lessons.values()]
    assert len(firsts) == len(set(seeds)) == len(NAMES)
    assert seeds[0] == 0


@pytest.mark.usefixtures("taught")
def test_labels_are_those_of_the_name(lessons, stripes):
    truth = stripes.train_labels
    for name, (_, labels, _) in lessons.items():
        wanted = truth
        if name.labels != "true":
            wanted = randomize.labels(
                truth, seed=0, draw=name.draw, policy=name.labels, fraction=name.fraction
            )
        np.testing.assert_array_equal(labels, wanted)
    np.testing.assert_array_equal(np.bincount(lessons[PERMUTED][1]), np.bincount(truth))
    assert (lessons[PERMUTED][1] != truth).any()


def test_every_name_is_another_network(taught, cache):
    assert list(taught.trained) == NAMES
    assert len({network.fingerprint for network in taught.trained.values()}) == len(NAMES)
    assert files(cache) == sorted(network.file for network in taught.trained.values())


def test_what_guessing_has_and_what_was_seen_are_told(taught, stripes, tmp_path):
    labels = stripes.train_labels
    assert taught(PERMUTED).train_chance == np.bincount(labels).max() / len(labels)
    assert taught(PERMUTED).seen == 0
    half = len(stripes.pixels) // 2
    known = stripes.pixels.copy()
    known[:half] = stripes.train_pixels[:half]
    assert trainer(replace(stripes, pixels=known), tmp_path)(NAMES[0]).seen == half / len(known)


def test_the_number_of_threads_is_part_of_the_key_if_it_is_not_one(monkeypatch):
    threads = "tensorflow.config.threading.get_intra_op_parallelism_threads"
    monkeypatch.setattr(threads, lambda: 1)
    assert thread_setting() == {}
    monkeypatch.setattr(threads, lambda: 4)
    assert thread_setting() == {"threads": 4}


def test_a_network_is_trained_once(taught):
    assert taught(PERMUTED) is taught(PERMUTED)


# ---------------------------------------------------------------- the file


def test_a_file_holds_the_weights_by_position(taught):
    model = taught.load().model
    for name in (NetworkName(), PERMUTED):
        network = taught(name)
        with np.load(network.file, allow_pickle=False) as stored:
            for position, variable in enumerate(model.variables):
                variable.assign(stored[str(position)])
        assert networks.fingerprint(model) == network.fingerprint


def test_the_network_under_test_has_the_weights_of_its_file(taught, stripes):
    loaded = taught.load()
    network = taught(NetworkName())
    assert networks.fingerprint(loaded.model) == network.fingerprint
    assert loaded.facts["key"] == network.file.stem
    assert loaded.facts["epochs_trained"] == len(network.history) == 2
    assert loaded.preprocessing is None
    right = np.asarray(loaded.model(stripes.images)).argmax(axis=1) == stripes.labels
    assert network.test_accuracy == loaded.facts["test_accuracy"] == right.mean()
    assert network.chance == np.bincount(stripes.labels).max() / len(stripes.labels)


def test_cached_and_fresh_networks_are_the_same(taught, stripes, cache, tmp_path):
    found, listener = trainer(stripes, cache), Listener()
    for name in (NetworkName(), PERMUTED):
        one, fresh = found(name), trainer(stripes, tmp_path, progress=listener)(name)
        whole = [
            (n.fingerprint, n.train_accuracy, n.test_accuracy, n.history) for n in (one, fresh)
        ]
        assert whole[0] == whole[1]
        assert one.file.read_bytes() == fresh.file.read_bytes()
    assert " ".join(listener.lines).count("trained") == 2


def test_a_damaged_file_is_trained_again_and_said_so(stripes, tmp_path):
    whole = trainer(stripes, tmp_path)(PERMUTED)
    content = whole.file.read_bytes()
    for damaged in (content[:100], content[:500] + b"\xff" + content[501:], b""):
        whole.file.write_bytes(damaged)
        listener = Listener()
        assert trainer(stripes, tmp_path, progress=listener)(PERMUTED) == whole
        assert listener.lines[0].startswith(f"training again: {whole.file} is damaged")
        assert whole.file.read_bytes() == content


def test_a_file_of_another_network_is_not_believed_under_this_ones_name(taught, stripes, tmp_path):
    """Copied over the name of another lesson: it is whole, and the wrong network."""
    own = trainer(stripes, tmp_path)(PERMUTED)
    content = own.file.read_bytes()
    other = taught(NetworkName())
    assert other.fingerprint != own.fingerprint
    own.file.write_bytes(other.file.read_bytes())
    listener = Listener()
    again = trainer(stripes, tmp_path, progress=listener)(PERMUTED)
    assert again.fingerprint == own.fingerprint
    assert "its checksum does not match its name and content" in listener.lines[0]
    assert own.file.read_bytes() == content


@pytest.mark.parametrize("change", ["another network's", "another number", "no json", "no number"])
def test_a_stored_test_accuracy_is_not_believed_under_another_name(
    taught, stripes, tmp_path, change
):
    own = trainer(stripes, tmp_path)(PERMUTED)
    (kept,) = tmp_path.glob("*.json")
    content = kept.read_text()
    foreign = next(f for f in taught(PERMUTED).file.parent.glob("*.json") if f.name != kept.name)
    kept.write_text(
        {
            "another network's": foreign.read_text(),
            "another number": content.replace(str(own.test_accuracy), "0.125"),
            "no json": "{",
            "no number": content.replace("test_accuracy", "accuracy"),
        }[change]
    )
    assert trainer(stripes, tmp_path)(PERMUTED).test_accuracy == own.test_accuracy
    assert kept.read_text() == content


@pytest.mark.parametrize("moment", ["fitting", "writing"])
def test_a_killed_training_leaves_nothing_and_restarts_cleanly(
    taught, stripes, tmp_path, monkeypatch, moment
):
    steps = []

    def killed(*_):
        steps.append(1)
        if moment == "writing" or len(steps) > 10:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        target = (Listener, "step") if moment == "fitting" else ("os.replace",)
        patched.setattr(*target, killed)
        with pytest.raises(KeyboardInterrupt):
            trainer(stripes, tmp_path, progress=Listener())(PERMUTED)
    assert list(tmp_path.iterdir()) == []
    assert trainer(stripes, tmp_path)(PERMUTED) == taught(PERMUTED)


@pytest.mark.usefixtures("untrained")
def test_whatever_decides_the_weights_is_in_the_key(stripes, tmp_path):
    quick = replace(TINY, training=Training(epochs=1, batch_size=64, stop_accuracy=None))
    other = replace(TINY, training=Training(epochs=1, batch_size=64, stop_accuracy=0.5))
    runs = [
        (quick, stripes, 0),
        (other, stripes, 0),
        (quick, stripes, 1),
        (quick, replace(stripes, train_labels=1 - stripes.train_labels), 0),
        (quick, replace(stripes, train_pixels=stripes.train_pixels[::-1]), 0),
        (quick, replace(stripes, preprocessing=Preprocessing(mean=(0.25,))), 0),
    ]
    for settings, data, seed in runs:
        trainer(data, tmp_path, settings=settings, seed=seed)(NetworkName())
    assert len(files(tmp_path)) == len(runs)


def test_other_images_to_explain_need_no_training(taught, stripes, cache, capsys):
    half = replace(stripes, pixels=stripes.pixels[:8], labels=1 - stripes.labels[:8])
    network = trainer(half, cache)(NetworkName())
    assert "trained" not in capsys.readouterr().err
    right = np.asarray(taught.load().model(half.images)).argmax(axis=1) == half.labels
    assert network.test_accuracy == right.mean()


def test_without_labels_no_accuracy_is_known(stripes, cache):
    network = trainer(replace(stripes, labels=None), cache)(NetworkName())
    assert np.isnan([network.test_accuracy, network.chance]).all()


# ---------------------------------------------------------------- what cannot be


@pytest.mark.parametrize("missing", ["train_pixels", "train_labels"])
def test_nothing_to_train_on(stripes, tmp_path, missing):
    with pytest.raises(ValueError, match=r"training needs labelled images.*stripes has none"):
        TINY.load(replace(stripes, **{missing: None}), seed=0, cache=tmp_path)


def test_the_number_of_classes_is_that_of_the_true_labels(stripes, tmp_path):
    few = replace(stripes, train_labels=np.where(np.arange(64) == 0, 5, stripes.train_labels))
    made = trainer(few, tmp_path)
    shapes = [np.load(made(name).file)["5"].shape for name in (NetworkName(), NAMES[-1])]
    assert shapes == [(6,), (6,)]


# ---------------------------------------------------------------- with others


def test_a_trained_model_comes_with_others_like_it(taught, stripes, cache):
    loaded, others = with_others(TINY, stripes, seed=0, cache=cache)
    assert others(NetworkName()).fingerprint == networks.fingerprint(loaded.model)
    assert others(PERMUTED) == taught(PERMUTED)
    assert others.regularizers == ()


def test_a_finished_model_comes_alone(taught, stripes, tmp_path):
    path = tmp_path / "mine.keras"
    taught.load().model.save(path)
    for model in (Saved(str(path)), taught.load().model):
        loaded, others = with_others(model, stripes, seed=0, cache=tmp_path)
        assert networks.fingerprint(loaded.model) == taught(NetworkName()).fingerprint
        with pytest.raises(NotApplicable, match="needs training data"):
            others(NetworkName())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_the_paper_network_learns_digits_and_random_labels_by_heart(tmp_path, seed):
    made = trainer(Digits().load(), tmp_path, settings=CNN(), seed=seed)
    assert made(NetworkName()).test_accuracy > 0.97
    random = made(PERMUTED)
    assert random.train_accuracy >= 0.99
    assert random.test_accuracy < random.chance + 0.1


# ---------------------------------------------------------------- a rehearsal


def test_a_rehearsal_trains_nothing_and_counts_what_is_left(stripes, tmp_path):
    cache, kept = tmp_path / "cache", tmp_path / "kept"
    settings = replace(TINY, training=replace(TINY.training, epochs=7))
    planned = Trainer(settings, stripes, seed=0, cache=cache, rehearsal=kept)
    assert planned.outstanding is None
    first = planned(NAMES[0])
    assert planned(NAMES[1]).fingerprint != first.fingerprint
    assert np.isnan([first.train_accuracy, first.test_accuracy]).all()
    left = planned.outstanding
    assert (left.networks, left.epochs) == (2, 7)
    assert 0 < left.seconds < 60
    assert networks.fingerprint(planned.load().model) == first.fingerprint
    assert files(cache) == []


def test_a_rehearsal_takes_what_the_cache_has(stripes, tmp_path):
    cache = tmp_path / "cache"
    trained = Trainer(TINY, stripes, seed=0, cache=cache)(NAMES[0])
    planned = Trainer(TINY, stripes, seed=0, cache=cache, rehearsal=tmp_path / "kept")
    assert planned(NAMES[0]) == trained
    assert planned.outstanding is None
    planned(NAMES[1])
    assert planned.outstanding.networks == 1


# ---------------------------------------------------------------- other lessons


@pytest.fixture
def flipped(stripes):
    """The same images, each with the other label."""
    labels = {"labels": 1 - stripes.labels, "train_labels": 1 - stripes.train_labels}
    return replace(stripes, name="flipped", **labels)


def test_another_lesson_is_of_the_same_architecture_and_starts_elsewhere(
    stripes, flipped, tmp_path, untrained
):
    here = trainer(stripes, tmp_path)
    there = here.on(flipped)
    assert there.dataset is flipped
    assert here.dataset is stripes
    assert here.on(flipped) is there
    name = NetworkName("flipped")
    own, other = np.load(here(NetworkName()).file), np.load(there(name).file)
    assert [own[key].shape for key in own.files] == [other[key].shape for key in other.files]
    assert (own["0"] != other["0"]).any()


def test_lessons_of_one_name_must_be_the_same(stripes, flipped, tmp_path):
    here = trainer(stripes, tmp_path)
    there = here.on(flipped)
    assert here.on(replace(flipped)) is there
    for changed in (
        {"train_labels": flipped.train_labels[::-1]},
        {"train_pixels": flipped.train_pixels[::-1]},
        {"train_pixels": flipped.train_pixels[:-1], "train_labels": flipped.train_labels[:-1]},
        {"labels": flipped.labels[::-1]},
    ):
        with pytest.raises(ValueError, match="must teach 'flipped' by the same images"):
            here.on(replace(flipped, **changed))


def test_the_networks_of_all_lessons_are_listed_the_own_ones_first(
    stripes, flipped, tmp_path, untrained
):
    here = trainer(stripes, tmp_path)
    here.on(flipped)(NetworkName("flipped", draw=1))
    here(NetworkName())
    assert [str(name) for name in here.trained] == ["true labels 0", "flipped labels 1"]


def test_a_lesson_learns_its_own_labels(stripes, flipped, tmp_path):
    settings = replace(TINY, training=replace(TINY.training, epochs=10))
    here = trainer(stripes, tmp_path, settings=settings)
    taught = here.on(flipped)(NetworkName("flipped"))
    assert taught.test_accuracy > 0.9
    assert here(NetworkName()).test_accuracy > 0.9


def test_a_rehearsal_trains_no_lesson_and_counts_them(stripes, flipped, tmp_path):
    cache, kept = tmp_path / "cache", tmp_path / "kept"
    planned = Trainer(TINY, stripes, seed=0, cache=cache, rehearsal=kept)
    files_of = [planned(NetworkName()).file]
    files_of += [planned.on(flipped)(NetworkName("flipped", draw=draw)).file for draw in range(2)]
    assert len(set(files_of)) == 3
    assert planned.outstanding.networks == 3
    assert files(cache) == []
