"""The results of a run as figures."""
