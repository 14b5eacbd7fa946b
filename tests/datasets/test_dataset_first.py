import numpy as np
import pytest

from saliency_bench.protocols import Dataset


@pytest.mark.parametrize(
    ("labels", "n", "taken"),
    [
        ([0, 1, 0, 1], 2, [0, 1]),
        ([0, 0, 0, 1, 1, 2], 3, [0, 2, 4]),
        ([0, 0, 0, 0, 0, 0, 1, 1, 1, 1], 6, [0, 1, 3, 5, 6, 8]),
        ([0, 0, 0, 0], 2, [0, 1]),
        ([0, 0, 1], 9, [0, 1, 2]),
        ([0, 0, 1], 1, [0]),
        (None, 2, [0, 1]),
    ],
)
def test_the_head_or_where_that_is_of_one_class_even_distances(labels, n, taken):
    pixels = np.arange(10 if labels is None else len(labels), dtype=np.float32)[:, None, None, None]
    known = None if labels is None else np.array(labels)
    found = Dataset("d", pixels, known).first(n)
    assert found.pixels.ravel().tolist() == taken
    if labels is None:
        assert found.labels is None
    else:
        assert found.labels.tolist() == [labels[i] for i in taken]
