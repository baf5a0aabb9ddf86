"""Work Queue, of the Cooperative Computing Tools.

The head's side drives a manager in a process of its own (``manager.py``), under whichever Python
has the binding (``binding.py``); nodes run ``work_queue_worker``.
"""

from __future__ import annotations

from typing import Final

from hpckit.engines.base import EngineInfo

PASSWORD_FILE: Final = "workqueue.password"
PREFIX_VARIABLE: Final = "HPCKIT_WORK_QUEUE_PREFIX"
INSTALL: Final = (
    "Debian: apt install coop-computing-tools python3-workqueue; elsewhere: conda install "
    f"-c conda-forge ndcctools, and point {PREFIX_VARIABLE} at that environment or at the "
    "prefix of a source build."
)

ENGINE: Final = EngineInfo(
    name="workqueue", title="Work Queue", shape="array", joins=True, base_mib=150, slot_mib=50,
    secret=PASSWORD_FILE, variables="WORK_QUEUE_",
    head="hpckit.engines.workqueue.head:WorkQueueEngine",
    worker="hpckit.engines.workqueue.worker:launch",
    found="hpckit.engines.workqueue.head:binding_found",
)  # fmt: skip
