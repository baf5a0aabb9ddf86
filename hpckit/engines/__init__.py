"""Work Queue, Ray and the pool, behind one small protocol (`hpckit.engines.protocol`).

Here is what runs in the head. What an engine starts on worker nodes is in `hpckit.node`, with
whatever both sides must agree on, because the head may import the node's side.
"""
