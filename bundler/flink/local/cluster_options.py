"""What a local Flink is started with, and the configuration that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How to start a local Flink.

    ``port`` is that of the REST API (default: a free one), ``slots`` the task slots, ``heap`` the
    JVM heap of each process in MiB, ``timeout`` the seconds the start may take. ``configuration``
    adds Flink options. ``folder`` keeps configuration and logs; without one they are in a
    temporary folder that goes with the cluster.
    """

    port: int | None = None
    slots: int = 1
    heap: int = 512
    timeout: float = 90.0
    configuration: Mapping[str, object] = field(default_factory=dict)
    folder: Path | None = None


def cluster_configuration(
    options: ClusterOptions, folder: Path, *, rest_port: int, rpc_port: int
) -> dict[str, object]:
    """Flink's options for one JobManager and one TaskManager that listen on the loopback alone.

    ``folder`` is the cluster's own, with a ``tmp`` in it. ``options.configuration`` wins.
    """
    scratch = str(folder / "tmp")
    return {
        "jobmanager.rpc.address": "127.0.0.1",
        "jobmanager.bind-host": "127.0.0.1",
        "jobmanager.rpc.port": rpc_port,
        "rest.address": "127.0.0.1",
        "rest.bind-address": "127.0.0.1",
        "rest.port": rest_port,
        "taskmanager.host": "127.0.0.1",
        "taskmanager.bind-host": "127.0.0.1",
        "taskmanager.numberOfTaskSlots": options.slots,
        "io.tmp.dirs": scratch,
        "web.tmpdir": scratch,
        "web.upload.dir": scratch,
        # TaskManagerRunner takes sizes, where the start scripts compute them.
        "taskmanager.cpu.cores": float(options.slots),
        "taskmanager.memory.framework.heap.size": "128m",
        "taskmanager.memory.task.heap.size": f"{max(options.heap - 128, 64)}m",
        "taskmanager.memory.framework.off-heap.size": "128m",
        "taskmanager.memory.task.off-heap.size": "0m",
        "taskmanager.memory.network.min": "64m",
        "taskmanager.memory.network.max": "64m",
        "taskmanager.memory.managed.size": f"{128 * options.slots}m",
        "taskmanager.memory.jvm-metaspace.size": "384m",
        "taskmanager.memory.jvm-overhead.min": "192m",
        "taskmanager.memory.jvm-overhead.max": "192m",
        **options.configuration,
    }
