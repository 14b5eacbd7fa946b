"""Data randomization from the command line: networks are trained, kept, and guarded."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from saliency_bench import randomize

pytestmark = pytest.mark.usefixtures("without_figures")

RUN = Path("run")
SIDE, CLASSES = 12, 3

BUILD = """
import keras


class Net(keras.Model):
    def __init__(self, width):
        super().__init__()
        self.conv = keras.layers.Conv2D(width, 3, activation="relu")
        self.flat = keras.layers.Flatten()
        self.hidden = keras.layers.Dense(32, activation="relu")
        self.head = keras.layers.Dense(3, activation="softmax")

    def call(self, images):
        return self.head(self.hidden(self.flat(self.conv(images))))


def build(width=4):
    model = Net(width)
    model(keras.ops.zeros((1, 12, 12, 1)))
    return model
"""


def stripes(count, seed):
    """Noise with a bright spot whose place is the class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    pixels = rng.random((count, SIDE, SIDE, 1)) / 2
    for image, label in zip(pixels, labels, strict=True):
        image[4 * label : 4 * label + 4, 4:8] += 0.5
    return pixels.astype(np.float32), labels


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Where the tests of this module keep their networks together."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def shared(request, tmp_path, trained):
    """Networks are trained once, but for a test that is about it."""
    if not request.node.get_closest_marker("fresh"):
        (tmp_path / "results").mkdir()
        (tmp_path / "results" / "cache").symlink_to(trained)


@pytest.fixture
def data(tmp_path):
    """Images to explain and to train on, as npz files with integer labels."""
    for name, count, seed in (("explain", 12, 0), ("learn", 24, 1)):
        x, y = stripes(count, seed)
        np.savez(tmp_path / f"{name}.npz", x=x, y=y)
    return ["dataset=npz", "dataset.path=explain.npz", "dataset.train_path=learn.npz"]


SMALL = [
    *("+experiment=data_randomization", "n_images=12", "explainer=[gradient]", "run_dir=run"),
    "similarity=[spearman_signed,spearman_abs]",
]
QUICK = ["model.training.learning_rate=0.01", "model.training.batch_size=8"]
OWN = ["model=cnn", "model.filters=[4]", "model.kernel=3", "model.units=32", *QUICK]
TWO = "check.data_randomization.networks=2"
LUCK = "check.data_randomization.chance_margin=0.5"
"""Twelve images are few: by luck a network of random labels is right on half of them."""


def summary(folder=RUN):
    table = pd.read_csv(folder / "summary.csv")
    return table[(table["explainer"] == "edge_detector") & (table["similarity"] == "spearman_abs")]


def verdicts(folder=RUN):
    return pd.read_csv(folder / "verdicts.csv").set_index("explainer")


def provenance(folder=RUN):
    return json.loads((folder / "provenance.json").read_text())


def test_six_networks_are_trained_and_the_edge_detector_fails(command, data):
    done = command(*SMALL, LUCK, *data, *OWN)
    assert done.status == 0, done.err
    assert verdicts().loc["edge_detector", "verdict"] == "fail"
    assert verdicts().loc["random_fresh", "verdict"] == "undefined"
    assert summary().set_index("stage").loc[[1, 2, -1], "mean"].to_list() == pytest.approx(
        [1, 1, 1]
    )
    trained = pd.read_csv(RUN / "trainings.csv").groupby("network").last()
    assert list(trained.index) == [
        f"{kind} labels {draw}" for kind in ("permuted", "true") for draw in range(3)
    ]
    assert (trained["train_accuracy"] >= 0.95).all()
    table = pd.read_csv(RUN / "networks.csv")
    assert table[["stage", "draw"]].to_numpy().tolist() == [
        [0, 0], [1, 0], [1, 1], [1, 2], [2, 0], [2, 1], [2, 2],
    ]  # fmt: skip


def test_chance_is_that_of_the_images_it_stands_beside(command, data):
    """Ten images are explained, four of them of class 0; networks are tested on all twelve."""
    assert command(*SMALL, LUCK, *data, *OWN, "n_images=10").status == 0
    assert provenance()["chance"] == 0.4
    assert provenance()["tested"] == {"chance": 1 / 3}
    text = (RUN / "report.md").read_text()
    assert "on all test images of the data set. Chance is 0.33 there" in text


@pytest.mark.fresh
def test_cached_and_fresh_networks_give_identical_scores(command, data):
    command(*SMALL, LUCK, *data, *OWN, TWO)
    cached = command(*SMALL, LUCK, *data, *OWN, TWO, "run_dir=again")
    assert "epoch" not in cached.err
    whole = [(folder / "scores.parquet").read_bytes() for folder in (RUN, Path("again"))]
    assert whole[0] == whole[1]


def test_a_function_of_the_users_is_trained_anew_for_each_network(command, data, tmp_path):
    (tmp_path / "my_package.py").write_text(BUILD)
    own = ["model=function", "model._target_=my_package.build", "+model.width=6"]
    done = command(*SMALL, LUCK, *data, *own, *QUICK)
    assert done.status == 0, done.err
    assert verdicts().loc["edge_detector", "verdict"] == "fail"
    assert len(pd.read_csv(RUN / "trainings.csv")["network"].unique()) == 6


def test_folders_are_classes(command, tmp_path):
    for part, count, seed in (("explain", 12, 0), ("learn", 24, 1)):
        for number, (pixels, label) in enumerate(zip(*stripes(count, seed), strict=True)):
            folder = tmp_path / part / "abc"[label]
            folder.mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray((255 * pixels[..., 0]).astype(np.uint8))
            picture.save(folder / f"{number}.png")
    data = "dataset=image_folder dataset.path=explain dataset.train_path=learn dataset.size=[12,12]"
    done = command(*SMALL, LUCK, *data.split(), *OWN)
    assert done.status == 0, done.err
    assert provenance()["dataset"] == "explain"


# ---------------------------------------------------------------- guards


@pytest.mark.parametrize(
    ("accuracy", "least", "words"),
    [
        ("min_train_accuracy", 0.95, "of its labels; at least 0.95"),
        ("min_test_accuracy", 1.0, "at least 1.0"),
    ],
)
def test_networks_that_prove_nothing_get_no_verdict(command, data, accuracy, least, words):
    names = ("min_train_accuracy", "min_test_accuracy")
    lax = [f"check.data_randomization.{name}=0" for name in names]
    untaught = ["model.training.epochs=1", "model.training.learning_rate=0.0001"]
    only = f"check.data_randomization.{accuracy}={least}"
    done = command(*SMALL, LUCK, *data, *OWN, TWO, *untaught, *lax, only)
    assert done.status == 1
    assert words in " ".join(done.out.split())
    assert set(verdicts()["verdict"]) == {"undefined"}
    assert any(words in line for line in provenance()["guards"])


def test_a_leak_of_true_labels_trips_the_guard(command, data, monkeypatch):
    monkeypatch.setattr(randomize, "labels", lambda labels, **_: np.asarray(labels))
    done = command(*SMALL, *data, *OWN, TWO)
    assert done.status == 1
    assert "is expected from guessing" in " ".join(done.out.split())
    assert set(verdicts()["verdict"]) == {"undefined"}


# ---------------------------------------------------------------- several checks, other levels


def test_two_networks_of_a_kind_are_too_few_for_a_verdict(command, data):
    command(*SMALL, LUCK, *data, *OWN, TWO)
    assert verdicts().loc["gradient", "verdict"] == "inconclusive"


def test_levels_of_corruption_give_a_curve(command, data):
    level = "check.data_randomization.fractions=[0.5,1.0]"
    command(*SMALL, LUCK, *data, *OWN, TWO, level)
    table = pd.read_csv(RUN / "networks.csv").drop_duplicates("stage")
    assert table["depth"].to_list() == [0, 0, 0.5, 1]
    assert table["condition"].to_list()[2:] == ["50 % permuted labels", "permuted labels"]


def test_sanity_runs_both_checks_on_shared_networks(command, data):
    small = [a for a in SMALL if "experiment" not in a]
    done = command("+experiment=sanity", LUCK, *small, *data, *OWN)
    assert done.status == 0, done.err
    assert set(pd.read_csv(RUN / "verdicts.csv")["check"]) == {
        "param_randomization", "data_randomization",
    }  # fmt: skip


def test_a_finished_network_gets_the_check_that_needs_no_training(command, small):
    done = command("+experiment=sanity", *small)
    assert done.status == 0, done.err
    assert "needs training data" in " ".join(done.out.split())
    reasons = provenance()["checks_not_applicable"]
    assert list(reasons) == ["data_randomization"]
    table = pd.read_csv(RUN / "verdicts.csv")
    refused = table[table["check"] == "data_randomization"]
    assert set(refused["verdict"]) == {"not_applicable"}
    assert set(table["explainer"]) == set(refused["explainer"])


def test_a_function_without_training_data_is_taken_as_it_comes(command, small, tmp_path):
    (tmp_path / "my_finished.py").write_text(BUILD)
    np.savez(tmp_path / "unlabelled.npz", x=stripes(8, 0)[0])
    own = ["model=function", "model._target_=my_finished.build", "target=predicted"]
    rest = [setting for setting in small if not setting.startswith(("model", "dataset"))]
    done = command("+experiment=sanity", *rest, *own, "dataset=npz", "dataset.path=unlabelled.npz")
    assert list(provenance()["checks_not_applicable"]) == ["data_randomization"], done.err
    assert provenance()["accuracy"] is None


def test_alone_the_check_of_a_finished_network_is_refused(refused, small):
    assert "needs training data" in refused("+experiment=data_randomization", *small)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("check.data_randomization.fractions=[2]", "fractions must lie above 0"),
        ("check.data_randomization.labels=swapped", "must be permuted or uniform"),
        ("check.data_randomization.networks=1", "networks must be at least 2"),
        ("model.training.stop_accuracy=2", "stop_accuracy"),
        ("dataset.train_path=nowhere.npz", "no such file"),
    ],
)
def test_bad_input_is_one_line(refused, data, wrong, words):
    assert words in refused(*SMALL, *data, *OWN, wrong)
