"""``train.sh ARCH DATA_BIN SAVE_DIR [options] [fairseq-train flags]``: train, or resume."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from attn_nmt.checkpoints import LAST, replace_broken_last_checkpoint
from attn_nmt.command_line import run
from attn_nmt.training import command, devices, save_dir
from attn_nmt.training.display import TrainingDisplay
from attn_nmt.training.launch import is_stdout, launch
from attn_nmt.training.options import (
    Options,
    check_arch,
    check_directories,
    check_flags,
    check_started_once,
    check_user_dir,
    read,
)

LOG = "train.log"
"""In SAVE_DIR; with several nodes, that of the first one."""


def main() -> None:
    """Check everything, print the size of an update, and start.

    With ``--dry-run`` nothing is started or created; what would be is printed. With ``--nodes`` and
    neither ``--node-rank`` nor SLURM nothing is started; the commands to run on each node are
    printed instead, one per line.
    """
    check_started_once(os.environ)
    options = read(sys.argv[1:])
    check_directories(options)
    nodes = devices.find_nodes(
        options, os.environ, devices.find_free_port(), devices.first_slurm_host
    )
    if nodes.rank is None and options.dry_run:
        nodes = replace(nodes, rank=0)
    if nodes.rank is None:
        print(*command.commands_by_node(sys.argv[1:], nodes, Path.cwd()), sep="\n")
        return
    _train(options, nodes)


def _train(options: Options, nodes: devices.Nodes) -> None:
    gpus = devices.find_gpus() if command.uses_gpus(options) else devices.Gpus(0, bf16=False)
    commands = command.build_commands(options, gpus, nodes)
    world_size = command.processes_per_node(options, gpus) * nodes.count
    if command.flag_value(options.flags, "--user-dir") is None:
        check_arch(options.arch)
        check_flags(command.train_flags(options, gpus, world_size))
    if options.dry_run:
        print(*command.describe_training(options, commands, world_size), sep="\n")
        return
    if nodes.rank == 0:
        save_dir.require_free(options.save_dir)
    if nodes.rank == 0 and (line := replace_broken_last_checkpoint(options.save_dir)):
        print(line)
    print(command.describe_batch(options, world_size))
    flags = command.train_flags(options, gpus, world_size)
    with says_how_to_resume(options.save_dir):
        launch(commands, _display(options.save_dir, flags, nodes.rank or 0))


def train_without_recipe(flags: list[str]) -> None:
    """Run fairseq-train with these flags alone, shown as :func:`main` shows it.

    Raises:
        UsageError: if a flag breaks a rule, or the training fails.
    """
    check_user_dir(flags)
    if command.flag_value(flags, "--user-dir") is None:
        flags = [*flags, "--user-dir", str(command.PACKAGE)]
        check_flags(flags)
    directory = Path(command.flag_value(flags, "--save-dir") or "checkpoints")
    save_dir.require_writable(directory, "--save-dir")
    save_dir.require_free(directory)
    if line := replace_broken_last_checkpoint(directory):
        print(line)
    argv = (sys.executable, *command.TRAIN, *flags)
    with says_how_to_resume(directory):
        launch([command.Command(argv)], _display(directory, flags, node=0))


def _display(directory: Path, flags: list[str], node: int) -> TrainingDisplay | None:
    """Return what shows the training; None if its log is where the output goes already."""
    log = directory / (LOG if node == 0 else f"train-node{node}.log")
    limit = command.flag_value(flags, "--max-update") or ""
    total = int(limit) if limit.isdecimal() and int(limit) else None
    return None if is_stdout(log) else TrainingDisplay(directory, log, total=total, shown=node == 0)


@contextmanager
def says_how_to_resume(directory: Path) -> Iterator[None]:
    """Say after an interrupt what the next start does."""
    try:
        yield
    except KeyboardInterrupt:
        if (directory / LAST).is_file():
            print(f"the same command resumes from {directory / LAST}", file=sys.stderr)
        raise


if __name__ == "__main__":
    run(main)
