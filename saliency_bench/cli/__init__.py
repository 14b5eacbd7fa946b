"""The command line: reads a request, builds the study it describes and runs it.

Hydra is used in this folder only.
"""
