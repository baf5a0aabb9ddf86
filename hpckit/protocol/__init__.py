"""The protocol between head and workers: messages, proofs, bundles and results.

Standard library only, so that workers and the tasks' interpreters start in milliseconds.
"""
