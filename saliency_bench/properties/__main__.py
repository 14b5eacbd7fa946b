"""`python -m saliency_bench.properties`."""

import sys

from saliency_bench.properties.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
