"""The outcome of a run, as tables and text."""
