"""From a model and images to a study, and from a study to its results."""
