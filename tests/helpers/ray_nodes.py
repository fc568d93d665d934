"""A Ray cluster of several nodes on this machine, in a process of its own.

`python ray_nodes.py N_NODES` prints the address of a head without processors, beside which so many nodes with one
processor each are running. Each line on stdin is an order: `add`, `add PYTHONPATH=PLACE` (the node takes its packages
from there), or `kill PID` (at once, the node whose raylet has that number). The end of stdin ends the cluster.
"""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster

STORE_BYTES = 80_000_000


def kill(cluster: Cluster, raylet: int) -> None:
    """Kill a node as a power cut does; `remove_node` also reaps it, so that its workers see that it is gone."""
    for node in cluster.list_all_nodes():
        if any(one.process.pid == raylet for one in node.all_processes.get("raylet", [])):
            cluster.remove_node(node, allow_graceful=False)
            return
    raise ValueError(f"no node has the raylet {raylet}")


def main() -> None:
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "object_store_memory": STORE_BYTES, "include_dashboard": False},
    )
    for _ in range(int(sys.argv[1])):
        cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
    print(cluster.address, flush=True)
    for line in sys.stdin:
        order, _, value = line.strip().partition(" ")
        if order == "kill":
            kill(cluster, int(value))
        else:
            name, _, place = value.partition("=")
            env = {name: place} if name else None
            cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES, env_vars=env)
        print("done", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
