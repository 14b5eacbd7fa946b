"""All explainers, checks and metrics side by side, on several networks."""
