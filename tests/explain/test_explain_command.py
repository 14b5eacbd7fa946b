"""`python -m saliency_bench.explain`: pictures in, a grid or raw maps out, nothing configured."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saliency_bench import explainers
from saliency_bench.datasets import ImageFolder
from saliency_bench.explain import command as cli
from saliency_bench.explain.look import Subject, apply_explainers
from saliency_bench.models.application import FAMILIES
from saliency_bench.models.saved import read

SIDE = 12
RNG = np.random.default_rng(0)


@dataclass(frozen=True)
class Done:
    status: int
    lines: list[str]
    error: str


@pytest.fixture
def explain(in_this_process, capsys):
    """Runs the command in this process, in an empty folder."""

    def run(*words):
        status = cli.main([part for word in words for part in str(word).split()])
        captured = capsys.readouterr()
        return Done(status, captured.out.splitlines(), captured.err)

    return run


@pytest.fixture
def refused(explain):
    """Runs a command that must be refused in one line; returns the line."""

    def run(*words):
        done = explain(*words)
        assert done.status == 2
        assert re.fullmatch(r"saliency_bench\.explain: [^\n]+\n", done.error)
        assert "Traceback" not in done.error
        return done.error

    return run


@pytest.fixture
def grey(tmp_path):
    """A grey picture of the networks' size."""
    return picture(tmp_path / "grey.png", RNG.integers(0, 256, (SIDE, SIDE), np.uint8))


@pytest.fixture
def colour(tmp_path):
    return picture(tmp_path / "colour.png", RNG.integers(0, 256, (SIDE, SIDE, 3), np.uint8))


def picture(path, pixels, **how):
    Image.fromarray(pixels).save(path, **how)
    return path


def own(path, layers, shape):
    """A network of Keras's first weights, saved."""
    import keras

    keras.utils.set_random_seed(0)
    keras.Sequential([keras.Input(shape), *layers]).save(path)
    return path


@pytest.fixture
def photographer(tmp_path):
    """A network for 8x8 colour pictures that ends in a softmax."""
    from keras import layers

    body = [layers.Conv2D(4, 3, activation="relu"), layers.Flatten()]
    return own(tmp_path / "colour.keras", [*body, layers.Dense(3, activation="softmax")], (8, 8, 3))


def arrays(path="maps.npz"):
    with np.load(path) as file:
        return dict(file)


def test_a_grey_picture_becomes_a_grid(explain, networks, grey):
    done = explain(f"--model {networks}/cnn.keras --image {grey} --explainer gradient grad_cam",
                   "--out deep/er/grid.svg")  # fmt: skip
    assert (done.status, done.error) == (0, "")
    assert done.lines[-2] == "written: deep/er/grid.svg"
    assert done.lines[-1].startswith("A picture is no evidence")
    assert "The sanity check" in done.lines[-1]
    drawn = Path("deep/er/grid.svg").read_text()
    for words in ("input", "gradient", "grad_cam", "grey.png", "99th percentile of |map|"):
        assert f">{words}" in drawn or words in drawn


@pytest.mark.parametrize("ending", ["png", "pdf", "PNG"])
def test_a_grid_can_be_a_picture_of_any_kind(explain, networks, grey, ending):
    options = "--overlay --shared --percentile 100"
    done = explain(f"--model {networks}/cnn.keras --image {grey} {grey} --explainer gradient",
                   f"--out grid.{ending} {options}")  # fmt: skip
    assert done.status == 0
    assert Path(f"grid.{ending}").stat().st_size > 5000


def test_the_raw_maps_are_those_of_the_explainer(explain, networks, grey):
    done = explain(f"--model {networks}/cnn.keras --image {grey} --out maps.npz",
                   "--explainer integrated_gradients grad_cam")  # fmt: skip
    found, model = arrays(), read(networks / "cnn.keras")
    pixels = np.asarray(Image.open(grey), np.float32)[None, ..., None] / 255
    np.testing.assert_allclose(found["pixels"], pixels, atol=1e-7)
    logits = np.asarray(model(pixels))
    np.testing.assert_allclose(found["logits"], logits, atol=1e-5)
    assert found["targets"] == logits.argmax()
    for name, explainer in (
        ("integrated_gradients", explainers.IntegratedGradients()),
        ("grad_cam", explainers.GradCAM()),
    ):
        expected = explainer(model, found["pixels"], found["targets"])
        np.testing.assert_array_equal(found[name], expected)
    assert f"class {logits.argmax()} (predicted), logit {logits.max():.4g}" in done.lines[1]


def test_noise_is_that_of_a_run(explain, networks, grey):
    explain(f"--model {networks}/cnn.keras --image {grey} --explainer smoothgrad --out maps.npz")
    found = arrays()
    expected = explainers.SmoothGrad(explainers.Gradient())(
        read(networks / "cnn.keras"), found["pixels"], found["targets"]
    )
    np.testing.assert_array_equal(found["smoothgrad"], expected)


def test_without_names_there_are_the_explainers_of_a_run(explain, networks, grey):
    done = explain(f"--model {networks}/cnn.keras --image {grey} --out maps.npz")
    assert done.status == 0
    names = {"gradient", "integrated_gradients", "smoothgrad", "guided_backprop", "grad_cam"}
    assert arrays().keys() == names | {"pixels", "targets", "logits"}


def test_another_class_can_be_asked_for(explain, networks, grey):
    command = f"--model {networks}/cnn.keras --image {grey} --explainer gradient --out maps.npz"
    explain(command)
    predicted = int(arrays()["targets"][0])
    other = (predicted + 1) % 3
    done = explain(command, f"--target {other}")
    assert f"class {other} (requested; predicted is {predicted})" in done.lines[1]
    expected = explainers.Gradient()(
        read(networks / "cnn.keras"), arrays()["pixels"], np.array([other])
    )
    np.testing.assert_array_equal(arrays()["gradient"], expected)


@pytest.mark.parametrize(
    ("options", "units"),
    [
        ("--preprocessing resnet", FAMILIES["resnet"]),
        ("--mean .5 .4 .3 --std .25", None),
        ("", None),
    ],
)
def test_pixels_enter_in_the_model_s_units(explain, photographer, colour, options, units):
    done = explain(f"--model {photographer} --image {colour} --explainer gradient_input",
                   f"--out maps.npz {options}")  # fmt: skip
    assert done.status == 0
    found = arrays()
    pixels = found["pixels"]
    by_hand = (pixels - np.float32([0.5, 0.4, 0.3])) / np.float32(0.25) if options else pixels
    images = by_hand if units is None else units(pixels)
    expected = explainers.GradientInput()(read(photographer), images, found["targets"])
    np.testing.assert_allclose(found["gradient_input"], expected, rtol=1e-5, atol=1e-7)


def test_both_scores_are_told_of_a_model_that_ends_in_a_softmax(explain, photographer, colour):
    done = explain(f"--model {photographer} --image {colour} --explainer gradient --out a.npz")
    output = np.asarray(read(photographer)(arrays("a.npz")["pixels"])).max()
    assert done.lines[1].endswith(f", output {output:.4g}")
    assert "12x12, resized to 8x8" in done.lines[1]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_classes_of_one_raw_logit_are_named(explain, tmp_path, colour, sign):
    from keras import layers

    body = [layers.GlobalAveragePooling2D(), layers.Dense(1, kernel_initializer="ones")]
    model = own(tmp_path / "one.keras", body, (8, 8, 3))
    network = read(model)
    network.layers[-1].set_weights([sign * np.ones((3, 1)), np.zeros(1)])
    network.save(model)
    done = explain(f"--model {model} --image {colour} --explainer gradient --out a.npz")
    z = abs(float(network(arrays("a.npz")["pixels"])[0, 0]))
    line = f"class {int(sign > 0)} (predicted), logit {z:.4g}, output {1 / (1 + np.exp(-z)):.4g}"
    assert done.lines[1].endswith(line)
    np.testing.assert_allclose(arrays("a.npz")["gradient"], 1 / 64, rtol=1e-5)


def test_a_model_that_rescales_bytes_gets_them(explain, tmp_path, colour):
    from keras import layers

    body = [layers.Rescaling(1 / 255), layers.GlobalAveragePooling2D(), layers.Dense(3)]
    model = own(tmp_path / "bytes.keras", body, (8, 8, 3))
    line = f"--model {model} --image {colour} --explainer gradient_input --out a.npz"
    assert "pixels enter in [0, 255]" in explain(line).lines[0]
    found = arrays("a.npz")
    logits = read(model)(255 * found["pixels"]).numpy()
    np.testing.assert_allclose(found["logits"], logits, rtol=1e-5)
    assert "pixels enter in [0, 1]" in explain(f"{line} --mean 0 --std 1").lines[0]


# models of every kind

NETWORK = """
import keras

@keras.saving.register_keras_serializable("a_test")
class Net(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv = keras.layers.Conv2D(4, 3, activation="relu")
        self.flat = keras.layers.Flatten()
        self.head = keras.layers.Dense(3)

    def call(self, images):
        return self.head(self.flat(self.conv(images)))
"""


@pytest.mark.parametrize("kind", ["functional", "nested"])
def test_models_of_models_are_explained(explain, tmp_path, colour, kind):
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 3))
    hidden = layers.Conv2D(4, 3, activation="relu")(images)
    if kind == "nested":
        hidden = keras.Model(images, hidden)(images)
    keras.Model(images, layers.Dense(3)(layers.Flatten()(hidden))).save(tmp_path / "own.keras")
    done = explain(f"--model own.keras --image {colour} --explainer gradient grad_cam --out a.png")
    assert done.status == 0


@pytest.mark.slow
def test_a_class_of_one_s_own_is_imported_first(tmp_path, colour):
    (tmp_path / "my_net.py").write_text(NETWORK)
    (tmp_path / "make.py").write_text(
        "import my_net, numpy as np\n"
        "model = my_net.Net(name='mine')\n"
        "model(np.zeros((1, 8, 8, 3), np.float32))\n"
        "model.save('mine.keras')\n"
    )
    run(tmp_path, "make.py")
    command = f"-m saliency_bench.explain --model mine.keras --image {colour} --out maps.npz"
    without = run(tmp_path, f"{command} --explainer grad_cam")
    assert without.returncode == 2
    assert without.stderr.count("\n") == 1
    assert "register it with @keras.saving.register_keras_serializable()" in without.stderr
    done = run(tmp_path, f"{command} --explainer grad_cam --import my_net --size 8")
    assert (done.returncode, done.stderr) == (0, "")
    assert arrays(tmp_path / "maps.npz")["grad_cam"].shape == (1, 8, 8, 1)


def run(folder, words):
    return subprocess.run(
        [sys.executable, *words.split()], cwd=folder, capture_output=True, text=True
    )


def test_a_model_that_takes_any_size_gets_the_picture_s_or_the_one_asked_for(
    explain, refused, tmp_path, colour
):
    from keras import layers

    body = [layers.Conv2D(4, 3, activation="relu"), layers.GlobalAveragePooling2D()]
    any_size = own(tmp_path / "any.keras", [*body, layers.Dense(3)], (None, None, 3))
    command = f"--model {any_size} --explainer gradient --out maps.npz --image {colour}"
    for options, shape in (("", (12, 12)), ("--size 9", (9, 9)), ("--size 9 15", (9, 15))):
        assert explain(command, options).status == 0
        assert arrays()["gradient"].shape == (1, *shape, 3)
    wide = picture(tmp_path / "wide.png", np.zeros((9, 20, 3), np.uint8))
    assert "--size must be given" in refused(command, wide)


def test_a_size_that_is_not_the_model_s_is_refused(refused, photographer, colour):
    line = refused(f"--model {photographer} --image {colour} --out a.png --size 9")
    assert "--size must be the model's own, 8 8; got 9 9" in line


# pictures


def test_a_picture_has_the_pixels_that_a_folder_of_a_run_gives(explain, photographer, tmp_path):
    """More kinds of pictures: tests/datasets/test_pictures.py."""
    folder = tmp_path / "photos"
    folder.mkdir()
    turned = Image.Exif()
    turned[274] = 6
    pixels = RNG.integers(0, 256, (30, 50, 3), np.uint8)
    path = picture(folder / "wide.jpg", pixels, exif=turned)
    explain(f"--model {photographer} --image {path} --explainer gradient --out maps.npz")
    expected = np.asarray(ImageFolder(str(folder), size=(8, 8)).load().pixels)
    np.testing.assert_array_equal(arrays()["pixels"], expected)


# refusals


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--explainer gradcam", "got gradcam; nearest: grad_cam, guided_grad_cam"),
        ("--explainer zzz", "got zzz; there are 49, such as activations, attention_rollout,"),
        ("--explainer ../gradient", "got ../gradient; nearest: gradient"),
        ("--foo", "unrecognized arguments: --foo"),
        ("--out grid.gif", "--out must be a file .png, .pdf, .svg or .npz; got grid.gif"),
        ("--model none.keras", "no such file: none.keras"),
        ("--model grey.png", "grey.png must end in .keras"),
        ("--image none.png", "no such file: none.png"),
        ("--image text.png", "text.png must be a still and opaque JPEG, PNG or TIFF file"),
        (
            "--image clear.png",
            "TIFF file: parts of it are transparent; put it on a background first",
        ),
        ("--image colour.png", "colour.png must be grey, as the model takes one channel"),
        ("--target 3", "--target must lie in 0..2; got 3"),
        ("--target -1", "--target must lie in 0..2; got -1"),
        ("--target cat", "argument --target: invalid int value: 'cat'"),
        ("--percentile 0", "percentile must be above 0 and at most 100; got 0"),
        ("--size 0", "--size must be a height and a width of at least 1; got [0]"),
        ("--size 1 2 3", "--size must be a height and a width of at least 1; got [1, 2, 3]"),
        ("--preprocessing resnet50", "--preprocessing must be one of convnext, densenet,"),
        ("--preprocessing resnet", "mean must hold 1 number or one for each of 1 channels"),
        ("--preprocessing resnet --mean 1", "must be used without --mean and --std"),
        ("--std 0", "std must be positive"),
        ("--import no_such_module", "No module named 'no_such_module'"),
        ("--colour red", "unrecognized arguments: --colour red (--help shows all options)"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(refused, networks, grey, colour, tmp_path, options, words):
    (tmp_path / "text.png").write_text("no picture")
    picture(tmp_path / "clear.png", np.zeros((9, 9, 4), np.uint8))
    # A later option stands for an earlier one of its name.
    line = refused(f"--model {networks}/cnn.keras --image {grey} --out grid.png {options}")
    assert words in line
    assert not Path("grid.png").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("code", "it holds code (a Python lambda), which is refused"),
        ("cut", "is not a whole .keras file"),
        ("image", "the model must end in one output [N, classes]"),
    ],
)
def test_a_model_that_cannot_be_explained_is_refused(refused, networks, grey, name, words):
    line = refused(f"--model {networks}/{name}.keras --image {grey} --out a.png --explainer rise")
    assert words in line


def test_a_model_of_other_channels_takes_no_picture(refused, tmp_path, grey):
    from keras import layers

    two = own(tmp_path / "two.keras", [layers.Flatten(), layers.Dense(3)], (8, 8, 2))
    line = refused(f"--model {two} --image {grey} --out a.png")
    assert "the model must take 1 or 3 channels, as pictures have; got 2" in line


def test_a_model_of_vectors_takes_no_picture(refused, tmp_path, grey):
    from keras import layers

    flat = own(tmp_path / "flat.keras", [layers.Dense(3)], (144,))
    line = refused(f"--model {flat} --image {grey} --out a.png")
    assert "model flat.keras must take images of shape (12, 12, 1)" in line


# explainers that do not apply


def test_a_column_says_why_there_is_no_map(explain, networks, grey):
    done = explain(f"--model {networks}/mlp.keras --image {grey} --out grid.svg",
                   "--explainer guided_backprop gradient grad_cam")  # fmt: skip
    assert done.status == 0
    reasons = [line for line in done.lines if "not applicable" in line]
    assert [line.partition(":")[0] for line in reasons] == ["guided_backprop", "grad_cam"]
    drawn = Path("grid.svg").read_text()
    assert drawn.index(">guided_backprop<") < drawn.index(">gradient<") < drawn.index(">grad_cam<")
    assert "not applicable" in drawn


def test_without_a_single_map_there_is_no_picture(refused, networks, grey):
    line = refused(f"--model {networks}/mlp.keras --image {grey} --out grid.png",
                   "--explainer guided_backprop grad_cam")  # fmt: skip
    assert "an explainer must apply to the model; guided_backprop not applicable: " in line
    assert not Path("grid.png").exists()


def test_an_explainer_that_fails_does_not_stop_the_others(functional, images, targets):
    def broken(model, images, targets):
        raise RuntimeError("out of\nluck")

    subject = Subject(functional, images, images, targets, np.zeros((5, 3), np.float32))
    parts = {"mine": explainers.Function(broken), "gradient": explainers.Gradient()}
    told = []
    found = apply_explainers(subject, parts, tell=told.append)
    assert found.failed
    assert found.columns["mine"] == "failed: RuntimeError: out of luck"
    assert told[0] == "mine: failed: RuntimeError: out of luck"
    expected = explainers.Gradient()(functional, images, targets)
    np.testing.assert_array_equal(found.maps["gradient"], expected)


def test_help_and_typing_errors_start_no_tensorflow(tmp_path):
    program = """
import sys
from saliency_bench.explain.command import main
try:
    main(["--help"])
except SystemExit as stop:
    assert not stop.code
assert main("--model a.keras --image b.png --out c.png --explainer gradcam".split()) == 2
print(sorted({"tensorflow", "keras"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    assert "no evidence" in " ".join(done.stdout.split())
