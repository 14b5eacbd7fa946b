"""What we need to know of a Keras model: its logit, its layers in execution order, its weights.

The same for Sequential, Functional, nested and subclassed models. Names resolve on first use, so
that importing this package does not start TensorFlow; `__init__.pyi` lists them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
