"""`python -m saliency_bench`."""

import sys

from saliency_bench.cli.main import main

sys.exit(main())
