"""saliency_bench: does a saliency method's map depend on what your network learned?

Necessary for trust, never sufficient. Start with `evaluate`, or run
`python -m saliency_bench +experiment=param_randomization`.

Names resolve on first use: importing the package does not start TensorFlow.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
