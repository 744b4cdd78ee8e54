"""The flags that a plan passes on to its trainings, read as those will read them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from fairseq import options as fairseq_options

from attn_nmt.command_line import UsageError
from attn_nmt.study.grids.plan import Run
from attn_nmt.study.grids.settings import require_known
from attn_nmt.training import options as training_options
from attn_nmt.training.command import build_commands as plan
from attn_nmt.training.devices import Gpus, Nodes


def require_train_flags(run: Run, others: Iterable[str] = ()) -> None:
    """Refuse, before anything runs, a flag that every training would die of.

    Args:
        run: one of the plan, whose data are there.
        others: flags that are taken elsewhere, but may be what a misspelt one was to be.

    Raises:
        UsageError: with what is wrong with the flag.
    """
    # Devices and nodes change numbers only.
    options = training_options.read(run.train[3:])
    command, *_ = plan(options, Gpus(0, bf16=False), Nodes(1, 0, "127.0.0.1", 1))
    flags = list(command.argv[3:])
    here = flags.index("--user-dir")
    del flags[here : here + 2]  # fairseq would tell that it is imported already
    parser = fairseq_options.get_training_parser()
    parser.error = _refuse
    _, unknown = fairseq_options.parse_args_and_arch(parser, input_args=flags, parse_known=True)
    if not unknown:
        return
    if not unknown[0].startswith("-"):
        raise UsageError(f"GRID must be one name, but {unknown[0]!r} is given beside it.")
    known = [*parser._option_string_actions, *training_options.flags(), *others]
    require_known("a flag", unknown[0].partition("=")[0], known)


def _refuse(message: str) -> NoReturn:
    raise UsageError(
        f"Flags that are passed on must be as fairseq-train takes them, but {message}."
    )
