"""The results of a run in words and tables."""
