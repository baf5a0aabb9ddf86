"""The code on worker nodes: find the head, run bundles, leave in order. Standard library only."""
