"""What head and workers say to each other: messages, proofs, bundles and results.

Standard library only: workers and the tasks' own interpreters start in milliseconds.
"""
