"""The available devices: the GPUs of this node, and the nodes."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from attn_nmt.command_line import UsageError
from attn_nmt.training.options import Options

DEFAULT_PORT = 29500
# Below the ports that operating systems assign by themselves.
_FIRST_PORT, _PORTS = 15000, 15000


@dataclass(frozen=True)
class Gpus:
    """The GPUs that are visible to this process."""

    count: int
    bf16: bool
    """Whether they support bfloat16 in hardware, without emulation."""


@dataclass(frozen=True)
class Nodes:
    """The nodes that train together, and the address of node 0."""

    count: int
    rank: int | None
    """None if there are several and nothing says which one this is."""
    host: str
    port: int


def find_gpus() -> Gpus:
    """Return the GPUs that PyTorch sees."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    bf16 = count > 0 and torch.cuda.is_bf16_supported(including_emulation=False)
    return Gpus(count, bf16)


def find_nodes(
    options: Options,
    environ: Mapping[str, str],
    free_port: int,
    first_host: Callable[[str], str | None],
) -> Nodes:
    """Return the nodes, from flags or else from SLURM.

    ``free_port`` is a port of this machine, for a single node; ``first_host`` returns the first
    name in SLURM's list of nodes, or None.

    Raises:
        UsageError: if flags contradict each other, or SLURM did not start one task per node.
    """
    slurm_count = int(environ.get("SLURM_STEP_NUM_NODES") or environ.get("SLURM_NNODES") or 1)
    _check_one_task_per_node(environ, slurm_count)
    count = options.nodes or slurm_count
    if options.node_rank is not None and options.node_rank >= count:
        raise UsageError(f"--node-rank must be below --nodes, {count}, but is {options.node_rank}.")
    if count == 1:
        return Nodes(1, 0, "127.0.0.1", free_port)
    if options.node_rank is None and slurm_count > 1:
        return _slurm_nodes(options, environ, count, slurm_count, first_host)
    if options.node_rank is not None and options.master is None:
        raise UsageError("--master must be given with --node-rank, but is not.")
    return Nodes(count, options.node_rank, *_address(options.master or socket.gethostname()))


def first_slurm_host(nodelist: str) -> str | None:
    """Return the first node, such as node01 of node[01-04], or None without SLURM."""
    try:
        command = ["scontrol", "show", "hostnames", nodelist]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return None


def find_free_port() -> int:
    """Return an unused port of this machine."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _check_one_task_per_node(environ: Mapping[str, str], nodes: int) -> None:
    """Refuse several tasks per node, each of which would start processes of its own."""
    tasks = environ.get("SLURM_STEP_NUM_TASKS", str(nodes))
    if tasks != str(nodes):
        raise UsageError(
            "attn-nmt train must be started once per node (srun --ntasks-per-node=1), since it "
            f"starts the processes itself, but SLURM_STEP_NUM_TASKS is {tasks} on {nodes} nodes."
        )


def _slurm_nodes(
    options: Options,
    environ: Mapping[str, str],
    count: int,
    slurm_count: int,
    first_host: Callable[[str], str | None],
) -> Nodes:
    """Return the nodes of a job step; every node runs this, with the same result."""
    if count != slurm_count:
        raise UsageError(
            f"--nodes must be the number of SLURM's nodes, {slurm_count}, but is {count}."
        )
    if "SLURM_STEP_NUM_TASKS" not in environ:
        raise UsageError(
            "attn-nmt train must be started by srun, once per node, "
            f"but SLURM_STEP_NUM_TASKS is not set on {count} nodes."
        )
    nodelist = environ.get("SLURM_STEP_NODELIST") or environ.get("SLURM_JOB_NODELIST", "")
    master = options.master or first_host(nodelist) or environ.get("SLURM_LAUNCH_NODE_IPADDR")
    if master is None:
        raise UsageError("--master must be given where scontrol is missing, but is not.")
    port = _FIRST_PORT + int(environ.get("SLURM_JOB_ID", "0")) % _PORTS
    return Nodes(count, int(environ["SLURM_NODEID"]), *_address(master, port))


def _address(master: str, default_port: int = DEFAULT_PORT) -> tuple[str, int]:
    host, colon, port = master.partition(":")
    if not host or (colon and not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536)):
        raise UsageError(
            f"--master must be HOST or HOST:PORT, with a port of 1 to 65535, but is {master!r}."
        )
    return host, int(port) if colon else default_port
