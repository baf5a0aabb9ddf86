"""The engines that carry bundles to workers: Work Queue, Ray and the pool.

What every engine has to do is in ``base.py``; which ones there are, in ``registry.py``.
"""
