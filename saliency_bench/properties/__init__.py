"""Property tests of an explainer: the axioms of every map, and those it claims itself.

`check_explainer` runs them from Python or pytest, `python -m saliency_bench.properties` from the
command line. A broken explainer shows up here, before a check blames its method.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
