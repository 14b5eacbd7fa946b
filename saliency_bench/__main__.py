"""`python -m saliency_bench`."""

import sys

from saliency_bench.app import main

sys.exit(main())
