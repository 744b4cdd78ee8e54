"""``train.sh ARCH DATA_BIN SAVE_DIR [options] [fairseq-train flags]``: train, or resume."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from attn_nmt.checkpoints import replace_broken_last_checkpoint
from attn_nmt.command_line import run
from attn_nmt.training import command, devices, save_dir
from attn_nmt.training.launch import launch
from attn_nmt.training.options import (
    Options,
    check_arch,
    check_directories,
    check_started_once,
    read,
)


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
    if command.flag_value(options.flags, "--user-dir") is None:
        check_arch(options.arch)
    world_size = command.processes_per_node(options, gpus) * nodes.count
    if options.dry_run:
        print(*command.describe_training(options, commands, world_size), sep="\n")
        return
    if nodes.rank == 0:
        save_dir.require_free(options.save_dir)
    if nodes.rank == 0 and (line := replace_broken_last_checkpoint(options.save_dir)):
        print(line)
    print(command.describe_batch(options, world_size))
    launch(commands)


if __name__ == "__main__":
    run(main)
