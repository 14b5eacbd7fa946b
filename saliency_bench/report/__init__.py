"""What a run found, for people: tables, figures and a report.

Names resolve on first use: a run is read back without a plotting library.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
