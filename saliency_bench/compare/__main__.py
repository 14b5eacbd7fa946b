"""`python -m saliency_bench.compare`."""

import sys

from saliency_bench.compare.command import main

sys.exit(main(sys.argv[1:]))
