from . import adapters as adapters
from . import callbacks as callbacks
from . import checks as checks
from . import compare as compare
from . import datasets as datasets
from . import explainers as explainers
from . import inference as inference
from . import metrics as metrics
from . import models as models
from . import network as network
from . import outputs as outputs
from . import plot as plot
from . import properties as properties
from . import randomize as randomize
from . import similarities as similarities
from . import tracking as tracking
from .results import Results as Results
from .study.build import Options as Options
from .study.evaluate import evaluate as evaluate

__version__: str
