"""The loop: every explainer under every condition, scored and saved cell by cell.

It is independent of checks and of the kind of model, and imports no TensorFlow.
"""

from saliency_bench.engine.assess import Assessor
from saliency_bench.engine.assessments import Assessment, make_assessments
from saliency_bench.engine.binding import bind
from saliency_bench.engine.fine_tuning import tune
from saliency_bench.engine.loop import Loop
from saliency_bench.engine.outcome import EXAMPLE, EXAMPLES, EXAMPLES_ONLY, MapsToSave, Outcome
from saliency_bench.engine.plan import NETWORK, Step, families, make_steps

__all__ = [
    "Assessment",
    "Assessor",
    "EXAMPLE",
    "EXAMPLES",
    "NETWORK",
    "EXAMPLES_ONLY",
    "MapsToSave",
    "Loop",
    "Outcome",
    "Step",
    "bind",
    "families",
    "make_assessments",
    "make_steps",
    "tune",
]
