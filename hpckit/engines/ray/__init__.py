"""Ray: a head node without CPUs beside the main loop, and a raylet on each worker's node."""

from __future__ import annotations

from typing import Final

from hpckit.engines.base import EngineInfo

TOKEN_FILE: Final = "ray.token"

ENGINE: Final = EngineInfo(
    name="ray", title="Ray", shape="allocation", joins=True, base_mib=600, slot_mib=100,
    secret=TOKEN_FILE, variables="RAY_", head="hpckit.engines.ray.head:RayEngine",
    worker="hpckit.engines.ray.worker:launch",
    found="hpckit.engines.ray.start_options:is_installed",
)  # fmt: skip
