"""Test suites within the test suite."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def loaded():
    """What an inner run imports first, it also unloads behind the back of what still needs it."""
    import keras  # noqa: F401
    from matplotlib.figure import Figure

    from saliency_bench.report.figures import style

    style.encoded(Figure().text(0, 0, "text").figure, "pdf")
