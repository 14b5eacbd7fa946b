"""The types that all packages share. Imports nothing else of this package."""

from saliency_bench.protocols import command, interrupts
from saliency_bench.protocols.errors import (
    NotApplicable,
    ProofError,
    known_names,
    one_line,
    printable,
)
from saliency_bench.protocols.expectations import AREA, Ceiling, Expectation, Words
from saliency_bench.protocols.lazy_images import Rows, parts
from saliency_bench.protocols.methods import Bound, Explainer, Prepared, Similarity
from saliency_bench.protocols.progress import Progress, Silent
from saliency_bench.protocols.scenes import (
    BLOCK,
    Dataset,
    Floats,
    Ints,
    Output,
    Preprocessing,
    Scene,
    TargetMode,
    TargetOutput,
)
from saliency_bench.protocols.statuses import (
    CONSTANT,
    DIED,
    FAILURES,
    NAN,
    NOT_APPLICABLE,
    OK,
    SCHEMA_VERSION,
    STATUSES,
    VERDICTS,
    Exit,
)
from saliency_bench.protocols.studies import Check, Condition, Network, Place, Study, Values
from saliency_bench.protocols.trained_networks import (
    Epoch,
    LabelStream,
    NetworkName,
    Networks,
    TrainedNetwork,
    Untrainable,
)

__all__ = [
    "AREA",
    "BLOCK",
    "Bound",
    "CONSTANT",
    "Ceiling",
    "Check",
    "Condition",
    "DIED",
    "Dataset",
    "Epoch",
    "Exit",
    "Expectation",
    "Explainer",
    "FAILURES",
    "Floats",
    "Ints",
    "LabelStream",
    "NAN",
    "NOT_APPLICABLE",
    "Network",
    "NetworkName",
    "Networks",
    "NotApplicable",
    "OK",
    "Output",
    "Place",
    "Prepared",
    "Preprocessing",
    "Progress",
    "ProofError",
    "Rows",
    "SCHEMA_VERSION",
    "STATUSES",
    "Scene",
    "Silent",
    "Similarity",
    "Study",
    "TargetMode",
    "TargetOutput",
    "TrainedNetwork",
    "Untrainable",
    "VERDICTS",
    "Values",
    "Words",
    "command",
    "interrupts",
    "known_names",
    "printable",
    "one_line",
    "parts",
]
