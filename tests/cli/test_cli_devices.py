"""One device for each of several processes, as far as that shows without any."""

from contextlib import ExitStack

import pytest

from saliency_bench.cli import devices


@pytest.fixture(autouse=True)
def _own_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))


def test_each_process_gets_a_device_of_its_own_as_long_as_there_are_enough(monkeypatch):
    monkeypatch.setenv(devices.VARIABLE, "4,7")
    with ExitStack() as held:
        got = [held.enter_context(devices.one_device(number)) for number in (1, 2, 3)]
    assert got == [{devices.VARIABLE: device} for device in ("4", "7", "7")]
    with devices.one_device(3) as again:
        assert again == {devices.VARIABLE: "4"}


@pytest.mark.parametrize("given", ["", "0"])
def test_where_there_is_no_choice_nothing_is_changed(monkeypatch, given):
    monkeypatch.setenv(devices.VARIABLE, given)
    with devices.one_device(0) as environment:
        assert environment == {}


def test_the_number_of_devices_must_be_known(monkeypatch):
    monkeypatch.setenv(devices.VARIABLE, "0,1,5")
    assert devices.visible_devices() == 3
    monkeypatch.delenv(devices.VARIABLE)
    with pytest.raises(ValueError, match="CUDA_VISIBLE_DEVICES must list the GPUs"):
        devices.visible_devices()
