"""The pool: processes on the head's own machine, without a scheduler of tasks between them."""

from __future__ import annotations

from typing import Final

from hpckit.engines.base import EngineInfo

ENGINE: Final = EngineInfo(
    name="pool", title="the pool", shape="allocation", joins=False, base_mib=100, slot_mib=50,
    head="hpckit.engines.pool.head:PoolEngine",
)  # fmt: skip
