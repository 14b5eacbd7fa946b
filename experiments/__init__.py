"""Studies: one folder per question, each with a README and presets of the expected verdicts."""
