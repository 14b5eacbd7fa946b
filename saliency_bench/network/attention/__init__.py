"""Attention between the tokens of a traced model: its matrices, and how the tokens are read."""
