"""The results of a run for people: tables, figures and a report."""
