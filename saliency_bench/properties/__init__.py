"""Property tests of an explainer: what every map must satisfy, and what an explainer promises.

`check_explainer` runs them from Python or pytest, `python -m saliency_bench.properties` from the
command line. They find the explainer that is wrong before a check misjudges the method.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
