import numpy as np
import pytest

import saliency_bench as sb
from saliency_bench import checks, engine
from saliency_bench import explainers as ex
from saliency_bench.explainers import CONTROLS
from saliency_bench.protocols import NotApplicable
from saliency_bench.protocols.labels import chance
from saliency_bench.report.text import markdown
from saliency_bench.results.tables import FLOORS, NETWORKS, SCORES
from saliency_bench.similarities import Spearman
from saliency_bench.storage.store import read_json
from saliency_bench.study.defaults import default_similarities, named
from saliency_bench.study.evaluate import Options, build, evaluate

N, DRAWS = 12, 3


@pytest.fixture(scope="module")
def model():
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(6, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(4),
        ]
    )


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).standard_normal((N, 12, 12, 1)).astype(np.float32)


def squared(model, images, targets):
    return images**2


def broken(model, images, targets):
    raise RuntimeError("no luck")


@pytest.fixture(scope="module")
def results(model, images):
    explainers = {
        "gradient": ex.Gradient(),
        "squared": squared,
        "cubed": lambda model, images, targets: images**3,
        "broken": broken,
    }
    before = [variable.numpy().copy() for variable in model.variables]
    found = evaluate(model, images, None, explainers=explainers, options=Options(draws=DRAWS))
    for variable, value in zip(model.variables, before, strict=True):
        assert variable.numpy().tobytes() == value.tobytes()
    return found


def test_the_tables_have_their_columns(results):
    assert tuple(results.scores.columns) == tuple(SCORES)
    assert tuple(results.floors.columns) == tuple(FLOORS)
    assert tuple(results.networks.columns) == NETWORKS


def test_every_explainer_and_control_is_scored_under_every_condition(results):
    names = ["gradient", "squared", "cubed", "broken", *CONTROLS]
    assert list(results.scores["explainer"].unique()) == names
    conditions = 1 + 2 * DRAWS  # the repeat, and every draw of two layers
    ran = results.scores[results.scores["status"] != "error"]
    assert len(ran) == (len(names) - 1) * len(default_similarities()) * conditions * N
    assert len(results.networks) == conditions


def test_the_instrument_works(results):
    assert results.valid, results.problems
    verdicts = results.verdicts.set_index("explainer")["verdict"]
    due = checks.ParameterRandomization.declares.controls
    kinds = {name: control.__name__ for name, control in CONTROLS.items()}
    assert verdicts[list(CONTROLS)].to_dict() == {n: due[kind] for n, kind in kinds.items()}
    assert verdicts["squared"] == verdicts["cubed"] == "fail"
    assert verdicts["broken"] == "error"


def test_two_functions_of_one_name_are_two_explainers(model, images):
    functions = {"a": lambda m, x, t: x, "b": lambda m, x, t: x**2}
    rank = {"rank": Spearman(absolute=False)}
    scores = evaluate(
        model, images, None, explainers=functions, similarities=rank, options=Options(draws=1)
    ).scores
    nulls = [scores.loc[scores["explainer"] == name, "null"].to_numpy() for name in "ab"]
    assert not np.array_equal(*nulls)


def test_an_explainer_that_raises_is_an_error_row_and_in_the_provenance(results):
    rows = results.scores[results.scores["explainer"] == "broken"]
    assert set(rows["condition"]) == {"RuntimeError: no luck"}
    assert results.provenance["failed"] == {"broken": "RuntimeError: no luck"}
    assert results.provenance["damaged_cells"] == 0


def test_the_report_says_how_many_cells_were_damaged(results):
    assert "| damaged_cells | 0 |" in markdown.text(results, [])


def test_a_run_folder_is_gone_on_with(model, images, tmp_path):
    calls = []

    class Counted:
        def __repr__(self):
            return "Counted()"

        def __call__(self, model, images, targets):
            calls.append(len(images))
            return images

    def once():
        return evaluate(
            model,
            images,
            np.zeros(N, np.int64),
            explainers={"counted": Counted()},
            checks=[checks.ParameterRandomization(stages=[1])],
            options=Options(draws=1, run_dir=str(tmp_path)),
        )

    first = once()
    assert calls == [N] * 3  # the reference, the repeat and the redraw
    second = once()
    assert calls == [N] * 3
    assert first.scores.equals(second.scores)
    assert first.networks.equals(second.networks)


def test_the_plan_says_which_cell_is_what(model, images, tmp_path):
    options = Options(draws=1, run_dir=tmp_path)
    results = evaluate(model, images, None, explainers={"g": ex.Gradient()}, options=options)
    plan = read_json(tmp_path / "plan.json")
    rows = [dict(zip(plan["columns"], cell, strict=True)) for cell in plan["cells"]]
    assert {row["key"] for row in rows} == {p.stem for p in (tmp_path / "cells").iterdir()}
    assert {row["explainer"] for row in rows} == {"g", *CONTROLS, engine.NETWORK}
    assert {row["stage"] for row in rows} == set(results.networks["stage"])


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"explainers": {}}, "must name one that is no control"),
        ({"explainers": {"e": ex.EdgeDetector()}}, "must name one that is no control"),
        ({"explainers": {"constant": ex.Gradient()}}, "bear the name of a control"),
        ({"explainers": {"gradient": ex.Gradient}}, "got the class Gradient"),
        ({"explainers": {"x": 5}}, "x must be an explainer or a function; got 5"),
        ({"checks": []}, "checks or metrics must name at least one"),
        ({"targets": np.full(N, 4)}, "targets must lie in 0..3; got 4 to 4"),
        ({"targets": np.zeros(N - 1, int)}, "targets must be 12 integers"),
        ({"images": np.full((N, 12, 12, 1), np.nan)}, "images must be finite"),
        ({"images": np.full((N, 12, 12, 1), 1e300)}, "images must be finite"),
        ({"images": np.zeros((N, 1, 12, 12))}, r"come first: use np.moveaxis\(images, 1, -1\)"),
        ({"images": None}, "images must be numbers .* got None"),
    ],
)
def test_what_does_not_fit_is_refused(model, images, changes, rule):
    request = {"images": images, "targets": None, "explainers": {"g": ex.Gradient()}} | changes
    with pytest.raises(ValueError, match=rule):
        evaluate(model, request.pop("images"), request.pop("targets"), **request)


def test_labels_are_checked_whatever_is_explained(model, images):
    labels = np.full(N, -1)
    with pytest.raises(ValueError, match="targets must"):
        evaluate(
            model,
            images,
            labels,
            explainers={"g": ex.Gradient()},
            options=Options(target="predicted"),
        )


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_one_unit_is_judged_by_two_classes(activation, images):
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Flatten(), keras.layers.Dense(1, activation=activation)]
    model = keras.Sequential([keras.Input((12, 12, 1)), *layers])
    own = model(images).numpy()[:, 0]
    labels = (own > (0 if activation is None else 0.5)).astype(int)
    labels[:3] = 1 - labels[:3]  # so that it is wrong on three images
    found = evaluate(
        model, images, labels, explainers={"gradient": ex.Gradient()}, options=Options(draws=1)
    )
    assert found.provenance["accuracy"] == pytest.approx((N - 3) / N)
    assert found.provenance["chance"] == pytest.approx(np.bincount(labels).max() / N)
    with pytest.raises(ValueError, match=r"targets must lie in 0\.\.1; got 1 to 2"):
        evaluate(model, images, labels + 1, explainers={"gradient": ex.Gradient()})


def test_a_run_without_any_explainer_left_is_refused(model, images):
    class Refuses(ex.Gradient):
        def bind(self, model):
            raise NotApplicable("it needs a ReLU")

    for explainer, reason in ((Refuses(), "it needs a ReLU"), (broken, "RuntimeError: no luck")):
        with pytest.raises(ValueError, match=f"an explainer must apply.*mine: {reason}"):
            evaluate(model, images, None, explainers={"mine": explainer}, options=Options(draws=1))


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"draws": 0}, "draws must be at least 1; got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
        ({"target": "true"}, "target must be one of .*; got 'true'"),
    ],
)
def test_options_are_checked(settings, rule):
    with pytest.raises(ValueError, match=rule):
        Options(**settings)


def test_targets_that_are_explained(model, images):
    def explained(targets, mode):
        parts = {
            "explainers": {"g": ex.Gradient()},
            "checks": {"c": checks.ParameterRandomization()},
        }
        built = build(
            model, images, targets, similarities={}, options=Options(target=mode), **parts
        )
        return built.scene.targets.tolist()

    labels = np.arange(N) % 4
    predicted = model.predict(images, verbose=0).argmax(axis=1).tolist()
    assert explained(labels, "label") == labels.tolist()
    assert explained(None, "label") == predicted
    assert explained(labels, "predicted") == explained(labels, "repredict") == predicted


def test_checks_are_named_after_their_class():
    one, two = checks.ParameterRandomization(), checks.ParameterRandomization(order="bottom_up")
    assert named([one, two]) == {"param_randomization": one, "param_randomization_2": two}


def test_chance_is_the_share_of_the_largest_class():
    assert chance(np.array([0, 1, 1, 1, 2])) == 0.6
    assert chance(None) is None
    assert chance(np.array([2, 2])) is None


def test_images_of_one_class_are_noted(model, images):
    options, explainers = Options(draws=3), {"g": ex.Gradient()}
    rank = {"spearman_signed": Spearman(absolute=False)}
    zeros = np.zeros(N, int)
    one = evaluate(model, images, zeros, explainers=explainers, similarities=rank, options=options)
    assert one.provenance["chance"] is None
    assert "of one class" in one.provenance["notes"][0]
    mean = one.networks.query("stage == 0")["accuracy"].mean()
    assert one.provenance["accuracy"] == mean


def test_evaluate_is_the_public_door():
    assert sb.evaluate is evaluate


def drawn_anew(model, images, targets):
    """Noise of the process's own generator, which nobody was told of."""
    return np.random.normal(size=images.shape)  # noqa: NPY002


def test_noise_of_a_global_generator_in_an_undeclared_callable_is_undefined(model, images):
    found = evaluate(model, images, None, explainers={"noise": drawn_anew})
    row = found.verdicts.set_index("explainer").loc["noise"]
    assert row["verdict"] == "undefined"
    assert row["reason"].startswith("irreproducible")


def test_content_that_is_the_same_for_every_image_is_normalised_away(model, images):
    """A fixed blob under noise keyed by the weights passes, as the docs warn."""
    blob, noise = ex.CentrePrior(), ex.WeightHash()

    def stained(model, images, targets):
        return blob(model, images, targets) + 0.2 * noise(model, images, targets)

    found = evaluate(model, images, None, explainers={"stained": stained})
    rows = found.summary.query("explainer == 'stained' and similarity == 'spearman_signed'")
    area = rows.set_index("stage").loc[-1]
    assert area["null"] > 0.5
    assert area["verdict"] == "pass"
