"""The head of a run: a supervisor, and the loop that it keeps alive.

journal → ready tasks → bundles → engine → results → journal
"""
