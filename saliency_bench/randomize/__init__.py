"""New values for weights and labels, and keys for noise: one random stream per purpose.

Keras initialisers are stateless: called again they return the network's first weights. So every
number here comes from a stream (SFC64) whose key names its purpose.
"""

from saliency_bench.randomize.label_noise import labels
from saliency_bench.randomize.streams import image_keys, other_keys, stream
from saliency_bench.randomize.weights import POLICIES, Policy, blocks, redraw

__all__ = [
    "POLICIES",
    "Policy",
    "blocks",
    "image_keys",
    "labels",
    "other_keys",
    "redraw",
    "stream",
]
