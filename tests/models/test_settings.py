"""What models do before TensorFlow starts."""

import subprocess
import sys
from functools import partial

import pytest

from saliency_bench.models import CNN, MLP, Application, Function, KerasHub, Saved, Training


def test_settings_are_built_and_hashed_without_tensorflow_or_scikit_learn():
    code = (
        "import sys; from saliency_bench import datasets, models; "
        "datasets.Digits().fingerprint(); models.CNN().fingerprint(); "
        "models.Application().fingerprint(); "
        "sys.exit(bool({'tensorflow', 'keras', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (CNN(), CNN(kernel=3)),
        (CNN(), CNN(training=Training(epochs=3))),
        (CNN(), CNN(initializer="truncated_normal")),
        (CNN(), CNN(bias=0.1)),
        (CNN(), CNN(penalty=0.001)),
        (MLP(), MLP(initializer="truncated_normal")),
        (CNN(), CNN(training=Training(stop_accuracy=None))),
        (Function(int), Function(str)),
        (Function(int), Function(partial(int, 1))),
        (Function(int), Function(int, Training(epochs=3))),
        (MLP(), MLP(units=(2500, 1500))),
        (CNN(), MLP()),
        (Application(), Application("VGG16")),
        (Application(), Application(options={"alpha": 0.5})),
    ],
)
def test_fingerprint_follows_the_settings(one, other):
    assert one.fingerprint() != other.fingerprint()


def test_fingerprint_takes_lists_for_tuples():
    assert CNN(filters=[32, 64]).fingerprint() == CNN().fingerprint()


def test_fingerprint_of_weights_is_that_of_their_content(tmp_path):
    files = [tmp_path / name for name in ("a.weights.h5", "b.weights.h5")]
    for file in files:
        file.write_bytes(b"same")
    one, other = (Application(weights=str(file)) for file in files)
    assert one.fingerprint() == other.fingerprint()
    files[1].write_bytes(b"different")
    assert one.fingerprint() != other.fingerprint()


def test_what_is_trained():
    assert all(kind.trains for kind in (Function, CNN, MLP))
    assert not any(kind.trains for kind in (Application, Saved))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: CNN(filters=(0,)), r"filters must be at least 1, got \[0\]"),
        (
            lambda: CNN(filters=(1,) * 5).network((28, 30, 1), 10, seed=0),
            "filters must be at most 4 for images of 28x30",
        ),
        (lambda: CNN(units=0), "kernel and units must be at least 1"),
        (
            lambda: CNN(initializer="he"),
            "initializer must be one of glorot_uniform, truncated_normal; got 'he'",
        ),
        (lambda: MLP(initializer="he"), "initializer must be one of glorot_uniform"),
        (lambda: CNN(bias=float("nan")), "bias must be finite, got nan"),
        (lambda: CNN(penalty=-1), "penalty must be at least 0 and finite, got -1"),
        (lambda: MLP(units=()), r"units must be at least 1, got \[\]"),
        (lambda: Training(epochs=0), "epochs and batch_size must be at least 1, got 0, 64"),
        (lambda: Training(learning_rate=0), "learning_rate must be positive and finite, got 0"),
        (lambda: Training(stop_accuracy=0), r"stop_accuracy must be in \(0, 1\], got 0"),
        (lambda: Training(stop_accuracy=1.1), r"stop_accuracy must be in \(0, 1\], got 1.1"),
        (lambda: Training(weight_decay=-1), "weight_decay must be at least 0, got -1"),
        (lambda: Training(schedule="linear"), "schedule must be one of constant, cosine; got 'lin"),
        (lambda: Training(schedule="cosine"), "stop_accuracy must be null; got 0.99"),
        (lambda: Saved("model.keras", std=0), "std must be positive"),
        (lambda: Application(options={"weights": None}), "options must not set .*weights"),
    ],
)
def test_settings_that_cannot_be(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.h5", r"must end in \.keras"),
        ("saved_model", "is a folder"),
        ("cut.keras", r"not a whole \.keras file"),
    ],
)
def test_files_of_another_format(tmp_path, name, message):
    (tmp_path / "model.h5").write_bytes(b"\x89HDF")
    (tmp_path / "cut.keras").write_bytes(b"PK\x03\x04")
    (tmp_path / "saved_model").mkdir()
    with pytest.raises(ValueError, match=message) as raised:
        Saved(str(tmp_path / name)).fingerprint()
    assert "\n" not in str(raised.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        Saved(str(tmp_path / "model.keras")).fingerprint()


def test_keras_hub_must_be_installed(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(
        ValueError, match=r"needs Keras Hub: pip install 'saliency-bench\[keras-hub\]'"
    ):
        KerasHub().load(None, seed=0, cache=tmp_path)
