"""`python -m saliency_bench.explain`."""

import sys

from saliency_bench.explain.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
