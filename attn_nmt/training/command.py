"""The fairseq-train commands for given options and devices, without starting any.

The paper's recipe and the size of an update come first, then how the processes are started: one by
itself, several on GPUs by torchrun, several on CPUs each with its rank.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from attn_nmt.command_line import UsageError
from attn_nmt.data_card import FILE_NAME, DataCard
from attn_nmt.training.devices import Gpus, Nodes
from attn_nmt.training.options import Options

# The choices with the flags that fairseq-train accepts only together with one of them; the first
# is the recipe's.
_CHOICES = {
    ("--optimizer", "fused_adam", "adam"): (
        "--adam-betas '(0.9, 0.98)' --adam-eps 1e-9 --weight-decay 0.0"
    ),
    ("--lr-scheduler", "inverse_sqrt"): "--warmup-updates 4000 --warmup-init-lr 1e-7",
    ("--criterion", "label_smoothed_cross_entropy"): "--label-smoothing 0.1",
}
# With these fairseq wants its own Adam; another user-dir may not know ours.
_NOT_FUSED = (
    "--memory-efficient-fp16",
    "--memory-efficient-bf16",
    "--fp16-adam-stats",
    "--use-old-adam",
    "--tpu",
    "--user-dir",
)
MAX_UPDATE = 100_000
"""Of the recipe, as in the paper."""
_FLAGS = f"--lr 0.001 --dropout 0.1 --max-update {MAX_UPDATE} --seed 1 --log-format simple"
# The last five are for averaging; a checkpoint of every epoch would fill the disk.
_CHECKPOINTS = "--save-interval-updates 1000 --keep-interval-updates 5"

# glibc returns large blocks of memory at once and gets them back page by page. Kept, they made a
# training step of Transformer-base 5 to 12 % faster on two cores of an Intel Xeon, for 3 % more
# memory.
_KEEPING_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 34)}

PACKAGE = Path(__file__).parents[1]
TRAIN = ("-m", "fairseq_cli.train")


@dataclass(frozen=True)
class Command:
    """A command, and the environment variables that it needs."""

    argv: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


def recipe(options: Options) -> list[str]:
    """Return the paper's flags; those of the user are to follow and override them.

    A flag that fairseq-train would refuse beside the user's choice is left out, such as
    ``--adam-betas`` beside ``--optimizer nag``.

    Raises:
        UsageError: if DATA_BIN holds no dictionaries.
    """
    flags: list[str] = []
    for (flag, *choices), dependent in _CHOICES.items():
        needs_own_adam = flag == "--optimizer" and any(
            flag_value(options.flags, name) is not None for name in _NOT_FUSED
        )
        flags += [flag, choices[-1] if needs_own_adam else choices[0]]
        if flag_value(options.flags, flag) in (None, *choices):
            flags += shlex.split(dependent)
    flags += shlex.split(f"{_FLAGS} {_CHECKPOINTS}")
    epoch_flags = ("--keep-last-epochs", "--save-interval")
    if all(flag_value(options.flags, flag) is None for flag in epoch_flags):
        flags.append("--no-epoch-checkpoints")
    if has_joined_dictionary(options.data_bin):
        flags.append("--share-all-embeddings")
    return flags


def flag_value(flags: Sequence[str], name: str) -> str | None:
    """Return the value of the flag ``name``, the last if it is repeated, or None without it."""
    value = None
    for flag, following in zip(flags, [*flags, ""][1:], strict=True):
        if flag == name:
            value = following
        elif flag.startswith(f"{name}="):
            value = flag.removeprefix(f"{name}=")
    return value


def has_joined_dictionary(data_bin: Path) -> bool:
    """Return whether source and target have the same dictionary, so that embeddings can be shared.

    The languages are those of the data card beside DATA_BIN, or else all that have a dictionary.

    Raises:
        UsageError: if a dictionary is missing.
    """
    names = [path.name for path in sorted(data_bin.glob("dict.*.txt"))]
    corpus = data_bin.resolve().parent
    if (corpus / FILE_NAME).is_file():
        card = DataCard.read(corpus)
        names = [f"dict.{lang}.txt" for lang in (card.source_lang, card.target_lang)]
    missing = [name for name in names or ["dict.LANG.txt"] if not (data_bin / name).is_file()]
    if missing:
        raise UsageError(
            f"DATA_BIN must hold {missing[0]}, which fairseq-preprocess writes, "
            f"but {data_bin} does not."
        )
    return len({(data_bin / name).read_bytes() for name in names}) == 1


def update_freq(options: Options, world_size: int) -> str:
    """Return the batches per device and update that come nearest to the requested tokens."""
    if options.update_freq is not None:
        return options.update_freq
    return str(max(1, round(options.tokens_per_update / (options.max_tokens * world_size))))


def describe_batch(options: Options, world_size: int) -> str:
    """Describe the maximal size of an update; ``wpb`` in fairseq's log is the actual one.

    Batches are limited by their longer side with padding, so the target words that fairseq counts
    per update are somewhat fewer.
    """
    freq = update_freq(options, world_size)
    devices = f"{world_size} device{'s' if world_size > 1 else ''}"
    line = f"batch: {options.max_tokens} tokens x {devices} x update-freq {freq}"
    if not freq.isdecimal():  # one number per epoch
        return line
    line += f" = {options.max_tokens * world_size * int(freq)} tokens per update"
    wanted = "" if options.update_freq else f" (wanted {options.tokens_per_update})"
    return f"{line}{wanted}; wpb in the log counts target words"


def describe_training(options: Options, commands: Sequence[Command], world_size: int) -> list[str]:
    """Return as lines the recipe, with what overrides it, the size of an update, the commands."""
    lines = ["recipe:"]
    for name, value in _pairs(recipe(options)):
        given = flag_value(options.flags, name)
        override = "" if not value or given in (None, value) else f"  (overridden: {given})"
        lines.append(f"  {shlex.join([name, value] if value else [name])}{override}")
    lines += [describe_batch(options, world_size), "commands:" if commands[1:] else "command:"]
    for command in commands:
        variables = [f"{name}={value}" for name, value in command.environment.items()]
        lines.append(f"  {' '.join([*variables, shlex.join(command.argv)])}")
    return lines


def _pairs(flags: Sequence[str]) -> list[tuple[str, str]]:
    """Return each flag with its value, which is empty for a switch."""
    return [
        (flag, "" if following.startswith("--") else following)
        for flag, following in zip(flags, [*flags, "--"][1:], strict=True)
        if flag.startswith("--")
    ]


def uses_gpus(options: Options) -> bool:
    """Return whether the user lets fairseq-train use GPUs."""
    return flag_value(options.flags, "--cpu") is None


def processes_per_node(options: Options, gpus: Gpus) -> int:
    """Return how many processes train on this node; every node must have as many.

    Raises:
        UsageError: if there are more processes than GPUs.
    """
    if not gpus.count:
        return options.processes or 1
    if options.processes is not None and options.processes > gpus.count:
        raise UsageError(
            f"--processes must be at most the number of visible GPUs, {gpus.count}, "
            f"but is {options.processes}; --cpu trains without them."
        )
    return options.processes or gpus.count


def build_commands(options: Options, gpus: Gpus, nodes: Nodes) -> list[Command]:
    """Return the commands that this node has to run side by side.

    A single process is fairseq-train itself. Several on GPUs are started by torchrun. Without a
    GPU, fairseq would let each of torchrun's processes train alone, so each command has its rank.

    Raises:
        UsageError: if the processes or DATA_BIN break a rule.
    """
    processes = processes_per_node(options, gpus)
    flags = train_flags(options, gpus, world_size=processes * nodes.count)
    if gpus.count:
        return [Command((sys.executable, *_torchrun(processes, nodes), *TRAIN, *flags))]
    environment = {k: v for k, v in _KEEPING_MEMORY.items() if k not in os.environ}
    if processes * nodes.count == 1:
        return [Command((sys.executable, *TRAIN, *flags), environment)]
    first_rank = (nodes.rank or 0) * processes
    # The threads of several processes would compete for the cores.
    environment |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return [
        Command((sys.executable, *TRAIN, *flags, *_gloo(first_rank + i, nodes)), environment)
        for i in range(processes)
    ]


def commands_by_node(arguments: Sequence[str], nodes: Nodes, directory: Path) -> list[str]:
    """Return for each node the shell command that starts train.sh there, in ``directory``."""
    script = PACKAGE.parent / "scripts" / "train.sh"
    start = ("bash", str(script)) if script.is_file() else (sys.executable, "-m", __package__)
    master = f"{nodes.host}:{nodes.port}"
    return [
        f"cd {shlex.quote(str(directory))} && "
        + shlex.join([*start, *arguments, "--node-rank", str(rank), "--master", master])
        for rank in range(nodes.count)
    ]


def train_flags(options: Options, gpus: Gpus, world_size: int) -> list[str]:
    """Return what follows fairseq-train: the recipe, the user's flags, the number of devices."""
    flags = [str(options.data_bin), "--user-dir", str(PACKAGE), "--arch", options.arch]
    flags += ["--save-dir", str(options.save_dir), *recipe(options)]
    flags += ["--max-tokens", str(options.max_tokens)]
    flags += ["--update-freq", update_freq(options, world_size)]
    flags += [*_precision(options, gpus), *options.flags]
    # With one GPU per node, fairseq would otherwise train on each node alone.
    return [*flags, "--distributed-world-size", str(world_size)]


def _precision(options: Options, gpus: Gpus) -> list[str]:
    precision = options.precision
    if precision is None and gpus.count and not {"--fp16", "--bf16", "--amp"} & set(options.flags):
        precision = "bf16" if gpus.bf16 else "fp16"
    return [f"--{precision}"] if precision in ("bf16", "fp16") else []


def _torchrun(processes: int, nodes: Nodes) -> list[str]:
    """Return Python's arguments that start torchrun; none for a single GPU."""
    if processes * nodes.count == 1:
        return []
    flags = f"--nnodes {nodes.count} --node_rank {nodes.rank or 0} --nproc_per_node {processes}"
    address = ["--master_addr", nodes.host, "--master_port", str(nodes.port)]
    return ["-m", "torch.distributed.run", *flags.split(), *address]


def _gloo(rank: int, nodes: Nodes) -> list[str]:
    # legacy_ddp: fairseq's other backends need a GPU.
    flags = "--cpu --ddp-backend legacy_ddp --distributed-backend gloo --distributed-no-spawn"
    init_method = f"tcp://{nodes.host}:{nodes.port}"
    ranks = ["--distributed-rank", str(rank), "--distributed-init-method", init_method]
    return [*flags.split(), *ranks]
