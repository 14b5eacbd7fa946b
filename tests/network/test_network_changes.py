"""Weights are swapped in place, proven to have changed, and always come back."""

import numpy as np
import pytest

from saliency_bench import network as networks
from saliency_bench import randomize
from saliency_bench.protocols import ProofError


@pytest.fixture(scope="module")
def own(fresh_model_of):
    """A model of this module's own."""
    return fresh_model_of("functional")


@pytest.fixture(scope="module")
def network(own):
    return networks.KerasNetwork(own, batch_size=5)


def snapshot(model):
    return [variable.numpy().copy() for variable in model.variables]


def same(before, after):
    return all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def variable(model, layer, name):
    """One variable and its position."""
    found = [
        (position, v) for position, v in enumerate(model.variables) if v.path == f"{layer}/{name}"
    ]
    return found[0]


def ones_more(model, *positions):
    return {p: model.variables[p].numpy() + 1 for p in positions}


# ---------------------------------------------------------------- swapped


def test_values_are_in_inside_and_out_outside(own):
    before = snapshot(own)
    values = [value + 1 for value in before]
    with networks.swapped(own, own.variables, values):
        assert same(snapshot(own), values)
    assert same(snapshot(own), before)


def test_weights_come_back_while_the_exception_is_still_held(own):
    before = snapshot(own)
    held = []
    try:
        with networks.swapped(own, own.variables, [value + 1 for value in before]):
            raise RuntimeError("inside")
    except RuntimeError as error:
        held.append(error)
        assert same(snapshot(own), before)
    assert str(held[0]) == "inside"


def test_bits_come_back_negative_zeros_and_nans_too(own):
    _, bias = variable(own, "first", "bias")
    before = bias.numpy()
    strange = np.array([-0.0, np.nan, np.inf, 1e-42], np.float32)
    bias.value.assign(strange)
    try:
        with networks.swapped(own, [bias], [np.ones(4)]):
            pass
        assert bias.numpy().tobytes() == strange.tobytes()
    finally:
        bias.value.assign(before)


@pytest.mark.parametrize("shape", [(3,), (4, 1), ()])
def test_a_value_of_another_shape_changes_nothing(own, shape):
    before = snapshot(own)
    _, bias = variable(own, "first", "bias")
    _, kernel = variable(own, "first", "kernel")
    with (
        pytest.raises(ValueError, match=r"shape \(4,\)"),
        networks.swapped(own, [kernel, bias], [kernel.numpy() + 1, np.ones(shape)]),
    ):
        pass
    assert same(snapshot(own), before)


def test_a_variable_of_another_model_is_refused(own, functional):
    _, foreign = variable(functional, "first", "bias")
    with (
        pytest.raises(ValueError, match="must belong to the model"),
        networks.swapped(own, [foreign], [np.ones(4)]),
    ):
        pass


def test_nested_swaps_unwind(own):
    _, bias = variable(own, "first", "bias")
    before = bias.numpy()
    with networks.swapped(own, [bias], [np.ones(4)]):
        with networks.swapped(own, [bias], [np.zeros(4)]):
            assert not bias.numpy().any()
        np.testing.assert_array_equal(bias.numpy(), np.ones(4))
    np.testing.assert_array_equal(bias.numpy(), before)


# ---------------------------------------------------------------- changed, with proof


def test_a_change_moves_fingerprint_and_logits_and_is_undone(network, own, images):
    logits, print_before = network.outputs(images), network.fingerprint()
    position, _ = variable(own, "first", "kernel")
    with network.changed(ones_more(own, position)):
        assert network.fingerprint() != print_before
        assert not np.array_equal(network.outputs(images), logits)
        assert network.evidence() == {"variables_changed": 1, "variables_exempt": 0}
    assert network.fingerprint() == print_before
    np.testing.assert_array_equal(network.outputs(images), logits)
    assert network.evidence() == {"variables_changed": 0, "variables_exempt": 0}


def test_a_named_variable_that_does_not_change_is_an_error(network, own):
    position, kernel = variable(own, "second", "kernel")
    with (
        pytest.raises(ProofError, match="'second/kernel' should change but did not"),
        network.changed({position: kernel.numpy()}),
    ):
        pass


def test_another_variable_that_changes_is_an_error(network, own):
    position, _ = variable(own, "first", "bias")
    _, other = variable(own, "head", "bias")
    before = other.numpy()

    class Meddling(dict):
        def items(self):
            other.assign(before + 1)
            return super().items()

    try:
        with (
            pytest.raises(ProofError) as caught,
            network.changed(Meddling(ones_more(own, position))),
        ):
            pass
        assert "'head/bias' changed but was not named" in str(caught.value.__context__)
    finally:
        other.assign(before)


def test_weights_that_do_not_come_back_are_an_error(network, own):
    position, _ = variable(own, "first", "bias")
    _, other = variable(own, "head", "bias")
    before = other.numpy()
    try:
        with (
            pytest.raises(ProofError, match="did not come back"),
            network.changed(ones_more(own, position)),
        ):
            other.assign(before + 1)
        with (
            pytest.raises(ProofError, match="must be untouched before"),
            network.changed(ones_more(own, position)),
        ):
            pass
    finally:
        other.assign(before)


def test_the_smallest_difference_counts(network, own):
    position, bias = variable(own, "first", "bias")
    with network.changed({position: np.nextafter(bias.numpy(), np.float32(9))}):
        assert network.evidence()["variables_changed"] == 1


def test_a_constant_it_already_holds_is_exempt_and_counted(own):
    position, bias = variable(own, "head", "bias")
    kernel, _ = variable(own, "head", "kernel")
    before = bias.numpy()
    bias.assign(np.zeros(3))
    try:
        network = networks.KerasNetwork(own)
        with network.changed({position: np.zeros(3), **ones_more(own, kernel)}):
            assert network.evidence() == {"variables_changed": 1, "variables_exempt": 1}
    finally:
        bias.assign(before)


# ---------------------------------------------------------------- stale graphs


def test_assigned_weights_are_seen_in_every_kind(model, images):
    """Also where the model's own `@tf.function` has frozen the weights it was built with."""
    network = networks.KerasNetwork(model, batch_size=5)
    before = network.outputs(images)
    zeros = {p: np.zeros(v.shape) for p, v in enumerate(model.variables) if "head" in v.path}
    with network.changed(zeros):
        np.testing.assert_array_equal(network.outputs(images), np.zeros((5, 3)))
    np.testing.assert_array_equal(network.outputs(images), before)


def test_the_models_own_function_does_go_stale(fresh_model_of, images):
    """The trap is real: if this fails, Keras has changed and the kind is no test any more."""
    model = fresh_model_of("tf_function")
    before = model(images[:1]).numpy()
    for v in model.variables:
        v.assign(np.zeros(v.shape))
    np.testing.assert_array_equal(model(images[:1]).numpy(), before)


def test_redrawn_values_change_nothing_until_they_are_put_in(model):
    before = snapshot(model)
    randomize.redraw(model, model.variables, seed=0)
    assert same(snapshot(model), before)
