"""A grid as runs: the commands that train and score each cell. Nothing is started here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from fairseq import options as fairseq_options

from attn_nmt.command_line import UsageError
from attn_nmt.models.architectures import both_sides
from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.study.flags import (
    arch_of_size,
    as_command_line,
    merge_flags,
    read_config,
    require_known,
)
from attn_nmt.study.grids.cells import STOCK, Cell
from attn_nmt.study.grids.training_flags import DRY_RUN, RESERVED_FLAGS, require_unset
from attn_nmt.training import options as training_options
from attn_nmt.training.command import build_commands as training_commands
from attn_nmt.training.devices import Gpus, Nodes

AVERAGED = 5
"""How many checkpoints are averaged, as Vaswani et al. (2017) do for their base model."""

OR_BEST = "--or-best"
"""The flag with which an evaluation scores the best checkpoint if too few were kept."""
IN_TRAIN, IN_EVALUATE = slice(4, 6), slice(3, 5)
"""Where the directories stand: DATA_BIN and SAVE_DIR in a training, swapped in an evaluation."""


@dataclass(frozen=True)
class Run:
    """One training of one cell, and its evaluation."""

    cell: Cell
    arch: str
    flags: dict[str, Any]
    """Fields of the model: those of the cell and of the command line."""
    config: AttnTransformerConfig
    """What its costs are counted by, and unless it is fairseq's own, the model."""
    seed: int
    data_bin: Path
    save_dir: Path
    average: int
    """How many of the last checkpoints are averaged into the model that is scored."""
    train: list[str]
    """The command that trains."""

    @property
    def evaluate(self) -> list[str]:
        """The command that scores the average, or the best checkpoint if too few were kept."""
        command = ["python", "-m", "attn_nmt.evaluation", str(self.save_dir), str(self.data_bin)]
        return [*command, "--average", str(self.average), OR_BEST]


def plan_runs(
    cells: Sequence[Cell],
    *,
    size: str,
    seeds: Sequence[int],
    data_bin: Path,
    out: Path,
    model_flags: dict[str, Any],
    train_flags: Sequence[str] = (),
    average: int = AVERAGED,
) -> list[Run]:
    """Return one run per cell and seed that is for it, cell by cell, in ``out/CELL/seedN``.

    Args:
        cells: the cells of one grid.
        size: of the models, as in ``--arch attn_transformer_SIZE``.
        seeds: distinct numbers.
        data_bin: what fairseq-train reads.
        out: the directory of the grid.
        model_flags: fields of the models, added to those of every cell.
        train_flags: flags of train.sh or fairseq-train, passed on unchanged.
        average: how many checkpoints are averaged into the model that is scored.

    Raises:
        UsageError: if a flag breaks its rule, or would override what the plan sets.
    """
    if len(set(seeds)) < len(seeds):
        raise UsageError(f"--seeds must have no number twice, but are {' '.join(map(str, seeds))}.")
    for word in train_flags:
        if word.partition("=")[0] == DRY_RUN:
            raise UsageError(
                f"{DRY_RUN} must be left out, since `attn-nmt study plan` prints the commands of a "
                "grid, but is given."
            )
        if word.partition("=")[0] in RESERVED_FLAGS:
            raise UsageError(f"{word} must be left out, since the plan sets it, but is given.")
    runs = []
    for cell in cells:
        flags = merge_flags(cell.flags, model_flags)
        config = cell_config(cell, size, flags)
        arch = arch_of_size(size)
        if cell.is_stock:
            widths = both_sides(size)
            arch, flags = STOCK, {**widths, **flags}
            cell = replace(cell, varied=(*cell.varied, *widths))
        require_unset(cell.train_flags, train_flags)
        words = [*as_command_line(flags), *as_command_line(cell.train_flags), *train_flags]
        for seed in seeds[: cell.seeds]:
            save_dir = out / cell.name / f"seed{seed}"
            # attn_nmt.training adds the paper's recipe, which these flags override.
            train = ["python", "-m", "attn_nmt.training", arch, str(data_bin), str(save_dir)]
            train += [*words, "--seed", str(seed)]
            runs.append(Run(cell, arch, flags, config, seed, data_bin, save_dir, average, train))
    return runs


def cell_config(cell: Cell, size: str, flags: dict[str, Any]) -> AttnTransformerConfig:
    """Return the configuration by which the costs of a cell are counted.

    fairseq's own attention has the products of 1000.

    Raises:
        UsageError: if there is no such size, or a flag breaks its rule.
    """
    terms = {"self_attn_terms": "1000", "cross_attn_terms": "1000"} if cell.is_stock else {}
    return read_config(arch_of_size(size), {**flags, **terms})


def require_train_flags(run: Run, known_elsewhere: Iterable[str] = ()) -> None:
    """Refuse, before anything runs, a flag with which every training would fail.

    Args:
        run: one run of a plan, whose data must exist.
        known_elsewhere: flags of other commands, as candidates for a misspelt one.

    Raises:
        UsageError: with what is wrong with the flag.
    """
    # Any devices and nodes will do: they only change numbers.
    options = training_options.read(run.train[3:])
    command, *_ = training_commands(options, Gpus(0, bf16=False), Nodes(1, 0, "127.0.0.1", 1))
    flags = list(command.argv[3:])
    user_dir = flags.index("--user-dir")
    del flags[user_dir : user_dir + 2]  # fairseq would log that it is imported already
    parser = fairseq_options.get_training_parser()
    parser.error = _refuse
    _, unknown = fairseq_options.parse_args_and_arch(parser, input_args=flags, parse_known=True)
    if not unknown:
        return
    if not unknown[0].startswith("-"):
        raise UsageError(f"GRID must be one name, but {unknown[0]!r} is given beside it.")
    known = [*parser._option_string_actions, *training_options.flags(), *known_elsewhere]
    require_known("a flag", unknown[0].partition("=")[0], known)


def _refuse(message: str) -> NoReturn:
    raise UsageError(
        "Flags that are passed on must be as fairseq-train takes them, but "
        f"{message.replace('<lambda>', 'list')}."
    )
