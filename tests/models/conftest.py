import numpy as np
import pytest

from saliency_bench.protocols import Dataset, Preprocessing


@pytest.fixture(scope="session")
def stripes():
    """Two classes a small network learns at once: bright upper or bright lower half."""
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=80)
    pixels = 0.2 * rng.random((80, 8, 8, 1))
    pixels[labels == 0, :4] += 0.8
    pixels[labels == 1, 4:] += 0.8
    return Dataset(
        name="stripes",
        pixels=pixels[:16].astype(np.float32),
        labels=labels[:16],
        train_pixels=pixels[16:].astype(np.float32),
        train_labels=labels[16:],
        preprocessing=Preprocessing(mean=(0.5,)),
    )


@pytest.fixture
def untrained(monkeypatch):
    """Networks keep their first weights: no training, where only names and starts are looked at."""
    done = ((1.0, 1.0),), 1.0
    monkeypatch.setattr("saliency_bench.models.trainer.fit", lambda *_, **__: done)
