"""Keras models as explainers and checks need them: logits, layers in execution order, weights.

Sequential, Functional, nested and subclassed models are treated alike. Names resolve on first use,
so that importing this package does not import TensorFlow; `__init__.pyi` lists them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
