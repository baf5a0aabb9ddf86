"""The record of one run: where its files are, what happened, what it comes to."""
