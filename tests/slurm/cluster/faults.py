"""Faults of real clusters, on demand: lost nodes, cut links, stopped controllers."""

from __future__ import annotations

from tests.slurm.cluster import daemons, lifecycle, network, nodes
from tests.slurm.cluster.layout import Layout
from tests.slurm.cluster.shell import ClusterError, run
from tests.slurm.cluster.started_processes import StartedProcesses


class Faults:
    """Injects faults into a running cluster, and undoes them."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._started_processes = StartedProcesses(layout.started_processes)

    def kill_node(self, name: str) -> None:
        """Kill all processes of the node. Slurm notices after SlurmdTimeout, 15 s."""
        if not nodes.kill(self._started_processes, self.layout.node(name)):
            raise ClusterError(f"node {name} is not running; start-node {name} would start it")

    def start_node(self, name: str) -> None:
        """Boot a node that was killed; do nothing if it runs."""
        if self._started_processes.find(name) is None:
            nodes.start(self.layout, self._started_processes, self.layout.node(name))

    def restart_node(self, name: str) -> None:
        """Kill the node and boot it at once: Slurm sees that it was rebooted."""
        nodes.kill(self._started_processes, self.layout.node(name))
        self.start_node(name)

    def cut_network(self, name: str) -> None:
        network.cut(self.layout.node(name))

    def restore_network(self, name: str) -> None:
        network.restore(self.layout.node(name))

    def stop_controller(self) -> None:
        """End slurmctld in order (it saves its state); jobs run on."""
        self._started_processes.end("slurmctld", grace_s=20.0)

    def start_controller(self) -> None:
        if self._started_processes.find("slurmctld") is None:
            daemons.start_slurmctld(self.layout, self._started_processes)

    def stop_database(self) -> None:
        """End slurmdbd: sacct fails, slurmctld keeps its records until it is back."""
        self._started_processes.end("slurmdbd", grace_s=20.0)

    def start_database(self) -> None:
        if self._started_processes.find("slurmdbd") is None:
            daemons.start_slurmdbd(self.layout, self._started_processes)

    def set_node_state(self, name: str, state: str, reason: str = "test") -> None:
        """Run ``scontrol update nodename=… state=down|drain|resume``."""
        self.layout.node(name)
        words = [f"nodename={name}", f"state={state}", f"reason={reason}"]
        run([str(self.layout.bin_dir / "scontrol"), "update", *words])

    def mend(self) -> None:
        """Undo every fault: links up, daemons and nodes running, nodes resumed."""
        for node in self.layout.nodes:
            network.restore(node)
        self.start_database()
        self.start_controller()
        for node in self.layout.nodes:
            self.start_node(node.name)
            words = [f"nodename={node.name}", "state=resume"]
            run([str(self.layout.bin_dir / "scontrol"), "update", *words], check=False)
        lifecycle.wait_for_nodes(self.layout)
