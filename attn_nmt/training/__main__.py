"""``train.sh ARCH DATA_BIN SAVE_DIR [options] [fairseq-train flags]``: train, or go on training."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from attn_nmt.command_line import run
from attn_nmt.training import devices
from attn_nmt.training.launch import launch
from attn_nmt.training.options import (
    Options,
    check_arch,
    check_files,
    check_started_once,
    read,
)
from attn_nmt.training.plan import commands_by_node, plan, processes_here, uses_gpus
from attn_nmt.training.recipe import batch_line, given
from attn_nmt.training.restart import mend_last_checkpoint


def main() -> None:
    """Check everything, say how large an update is, and start.

    With ``--nodes`` and neither ``--node-rank`` nor SLURM nothing is started: what is printed then
    is one line of shell for each node.
    """
    check_started_once(os.environ)
    options = read(sys.argv[1:])
    check_files(options)
    nodes = devices.find_nodes(
        options, os.environ, devices.find_free_port(), devices.first_slurm_host
    )
    if nodes.rank is None:
        print(*commands_by_node(sys.argv[1:], nodes, Path.cwd()), sep="\n")
        return
    _train(options, nodes)


def _train(options: Options, nodes: devices.Nodes) -> None:
    gpus = devices.find_gpus() if uses_gpus(options) else devices.Gpus(0, bf16=False)
    commands = plan(options, gpus, nodes)
    if given(options.flags, "--user-dir") is None:
        check_arch(options.arch)
    mended = mend_last_checkpoint(options.save_dir) if nodes.rank == 0 else None
    if mended is not None:
        print(mended)
    print(batch_line(options, processes_here(options, gpus) * nodes.count))
    launch(commands)


if __name__ == "__main__":
    run(main)
