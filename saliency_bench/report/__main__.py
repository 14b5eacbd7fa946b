"""`python -m saliency_bench.report RUN [RUN ...]`."""

import sys

from saliency_bench.report.command import main

sys.exit(main(sys.argv[1:]))
