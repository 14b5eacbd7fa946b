"""Receptive fields: where in the picture the values of each tensor of a traced graph lie."""
