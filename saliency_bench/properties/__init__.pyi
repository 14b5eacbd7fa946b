from .subject import TestedExplainer as TestedExplainer
from .table import BrokenProperty as BrokenProperty
from .table import check_explainer as check_explainer
from .table import require as require
