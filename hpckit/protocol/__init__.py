"""The protocol between head and workers: messages, proofs, bundles and results.

Standard library only: workers and the tasks' own interpreters start in milliseconds.
"""
