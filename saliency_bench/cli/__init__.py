"""The command line: what is asked for becomes a study, and the study is run.

The only place that composes with Hydra.
"""
