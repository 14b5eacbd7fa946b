"""The files of a run, and what tells one thing from another. No TensorFlow."""
