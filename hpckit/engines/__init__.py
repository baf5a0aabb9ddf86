"""Work Queue, Ray and the pool, behind one small protocol (`hpckit.engines.protocol`)."""
