"""From options and devices to the commands that train, without starting any."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from attn_nmt.command_line import UsageError
from attn_nmt.training.devices import Gpus, Nodes
from attn_nmt.training.options import Options
from attn_nmt.training.recipe import given, recipe, update_freq

_TRAIN = ("-m", "fairseq_cli.train")
_PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Command:
    """A command, and what it needs in its environment beside what is there."""

    argv: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


def processes_here(options: Options, gpus: Gpus) -> int:
    """Return how many processes train on this node; every node must have as many.

    Raises:
        UsageError: if there are more than GPUs.
    """
    if not gpus.count:
        return options.processes or 1
    if options.processes is not None and options.processes > gpus.count:
        raise UsageError(
            f"--processes must be at most the number of visible GPUs, {gpus.count}, "
            f"but is {options.processes}; --cpu trains without them."
        )
    return options.processes or gpus.count


def plan(options: Options, gpus: Gpus, nodes: Nodes) -> list[Command]:
    """Return the commands that this node has to run together.

    One process is fairseq-train itself. On several GPUs torchrun starts them; without a GPU, where
    fairseq would take torchrun's processes for so many trainings, each is told its rank.

    Raises:
        UsageError: if the processes or DATA_BIN break a rule.
    """
    here = processes_here(options, gpus)
    flags = _flags(options, gpus, world_size=here * nodes.count)
    if gpus.count:
        return [Command((sys.executable, *_torchrun(here, nodes), *_TRAIN, *flags))]
    if here * nodes.count == 1:
        return [Command((sys.executable, *_TRAIN, *flags))]
    first = (nodes.rank or 0) * here
    # Threads of several processes would wait for each other instead of computing.
    environment = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return [
        Command((sys.executable, *_TRAIN, *flags, *_gloo(first + i, nodes)), environment)
        for i in range(here)
    ]


def commands_by_node(arguments: Sequence[str], nodes: Nodes, folder: Path) -> list[str]:
    """Return for each node the line of shell that starts train.sh there, from ``folder``."""
    script = _PACKAGE.parent / "scripts" / "train.sh"
    start = ("bash", str(script)) if script.is_file() else (sys.executable, "-m", __package__)
    master = f"{nodes.host}:{nodes.port}"
    return [
        f"cd {shlex.quote(str(folder))} && "
        + shlex.join([*start, *arguments, "--node-rank", str(rank), "--master", master])
        for rank in range(nodes.count)
    ]


def _flags(options: Options, gpus: Gpus, world_size: int) -> list[str]:
    """Return what follows fairseq-train: the recipe, the user's flags, the number of devices."""
    flags = [str(options.data_bin), "--user-dir", str(_PACKAGE), "--arch", options.arch]
    flags += ["--save-dir", str(options.save_dir), *recipe(options)]
    flags += ["--max-tokens", str(options.max_tokens)]
    flags += ["--update-freq", update_freq(options, world_size)]
    flags += [*_precision(options, gpus), *options.flags]
    # fairseq takes one GPU a node for a training of its own, unless it is told.
    return [*flags, "--distributed-world-size", str(world_size)]


def _precision(options: Options, gpus: Gpus) -> list[str]:
    chosen = options.precision
    if chosen is None and gpus.count and not {"--fp16", "--bf16", "--amp"} & set(options.flags):
        chosen = "bf16" if gpus.bf16 else "fp16"
    return [f"--{chosen}"] if chosen in ("bf16", "fp16") else []


def _torchrun(here: int, nodes: Nodes) -> list[str]:
    """Return the flags of Python that come before fairseq-train: none for a single GPU."""
    if here * nodes.count == 1:
        return []
    return [
        "-m",
        "torch.distributed.run",
        "--nnodes",
        str(nodes.count),
        "--node_rank",
        str(nodes.rank or 0),
        "--nproc_per_node",
        str(here),
        "--master_addr",
        nodes.host,
        "--master_port",
        str(nodes.port),
    ]


def _gloo(rank: int, nodes: Nodes) -> list[str]:
    # legacy_ddp: fairseq's other ways need a GPU.
    return [
        "--cpu",
        "--ddp-backend",
        "legacy_ddp",
        "--distributed-backend",
        "gloo",
        "--distributed-no-spawn",
        "--distributed-rank",
        str(rank),
        "--distributed-init-method",
        f"tcp://{nodes.host}:{nodes.port}",
    ]


def uses_gpus(options: Options) -> bool:
    """Whether the user lets fairseq-train use GPUs."""
    return given(options.flags, "--cpu") is None
