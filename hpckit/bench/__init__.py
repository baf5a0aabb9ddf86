"""Measuring: the same bag on each engine, in three scenarios."""
