"""The command line: reads a request, builds the study it describes and runs it.

Hydra is used in this folder only. Here is the one word of conf/ that is computed.
"""

from omegaconf import OmegaConf

from saliency_bench.protocols.command import program

OmegaConf.register_new_resolver("program", program, replace=True)
