"""The command line of ``train.sh``, and the rules that need no device to check."""

from __future__ import annotations

import difflib
import logging
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from attn_nmt.command_line import UsageError, positive

TOKENS_PER_UPDATE = 30000
PRECISIONS = ("bf16", "fp16", "fp32")


@dataclass(frozen=True)
class Options:
    """What was asked for; None is where devices or the environment decide."""

    arch: str
    data_bin: Path
    save_dir: Path
    max_tokens: int = 4096
    """Tokens of a batch on one device, on the longer side, padding included."""
    tokens_per_update: int = TOKENS_PER_UPDATE
    update_freq: str | None = None
    """fairseq's own, instead of the one that ``tokens_per_update`` leads to."""
    precision: str | None = None
    processes: int | None = None
    nodes: int | None = None
    node_rank: int | None = None
    master: str | None = None
    flags: tuple[str, ...] = ()
    """What goes to fairseq-train as it is; it comes last, and so wins."""


def read(arguments: Sequence[str]) -> Options:
    """Read a command line.

    Raises:
        UsageError: if a value breaks a rule; a missing or misspelt part leaves with 2, as argparse.
    """
    known, flags = _parser().parse_known_args(arguments)
    values = vars(known)
    wanted = values.pop("tokens_per_update")
    if wanted is not None and known.update_freq is not None:
        raise UsageError(
            "--update-freq must be given without --tokens-per-update, from which it follows, "
            "but both are given."
        )
    if known.update_freq is not None:
        for batches in known.update_freq.split(","):  # one number an epoch
            positive("--update-freq")(batches)
    if known.precision not in (None, *PRECISIONS):
        raise UsageError(
            f"--precision must be one of {', '.join(PRECISIONS)}, but is {known.precision!r}."
        )
    rank = known.node_rank
    if rank is not None and not (rank.isascii() and rank.isdecimal()):
        raise UsageError(f"--node-rank must be a whole number of at least 0, but is {rank!r}.")
    values["node_rank"] = None if rank is None else int(rank)
    return Options(**values, tokens_per_update=wanted or TOKENS_PER_UPDATE, flags=tuple(flags))


def flags() -> list[str]:
    """Return the flags that are train.sh's own."""
    return list(_parser()._option_string_actions)


def check_files(options: Options) -> None:
    """Refuse folders that fairseq-train could not use.

    Raises:
        UsageError: naming DATA_BIN or SAVE_DIR.
    """
    if not options.data_bin.is_dir():
        raise UsageError(f"DATA_BIN must be a folder, but {options.data_bin} is none.")
    if options.save_dir.exists() and not options.save_dir.is_dir():
        raise UsageError(f"SAVE_DIR must be a folder, but {options.save_dir} is none.")


def check_started_once(environ: Mapping[str, str]) -> None:
    """Refuse to be one of many processes, such as torchrun starts.

    fairseq-train without GPUs would let each of them train alone and write the same files.

    Raises:
        UsageError: if WORLD_SIZE in the environment is more than 1.
    """
    size = environ.get("WORLD_SIZE", "1")
    if size.isdecimal() and int(size) > 1:
        raise UsageError(
            "train.sh must be started once a node, since it starts the processes itself, "
            f"but WORLD_SIZE is {size}."
        )


def check_arch(arch: str) -> None:
    """Refuse an ARCH that neither fairseq nor this package knows.

    Raises:
        UsageError: with the name nearest to it.
    """
    logging.disable(logging.INFO)  # fairseq tells what it would like to have installed
    from fairseq.models import ARCH_MODEL_REGISTRY

    import attn_nmt.models  # noqa: F401  registers the architectures

    logging.disable(logging.NOTSET)
    if arch not in ARCH_MODEL_REGISTRY:
        nearest = difflib.get_close_matches(arch, ARCH_MODEL_REGISTRY, n=1, cutoff=0)[0]
        raise UsageError(
            f"ARCH must be an architecture, of which {nearest} is the nearest, but is {arch!r}."
        )


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="train.sh",
        usage="%(prog)s ARCH DATA_BIN SAVE_DIR [options] [fairseq-train flags]",
        description="Train with the paper's recipe; every flag of fairseq-train overrides it.",
        allow_abbrev=False,
    )
    parser.add_argument("arch", metavar="ARCH", help="such as attn_transformer_wmt_en_de")
    parser.add_argument("data_bin", metavar="DATA_BIN", type=Path)
    parser.add_argument(
        "save_dir", metavar="SAVE_DIR", type=Path, help="checkpoints; goes on there"
    )
    numbers = {
        "--tokens-per-update": "tokens that an update is to see (30000)",
        "--max-tokens": "tokens of a batch on one device (4096)",
        "--processes": "processes on this node (all GPUs; 1 without any)",
        "--nodes": "machines that train together (1, or SLURM's)",
    }
    for flag, text in numbers.items():
        default = 4096 if flag == "--max-tokens" else None
        parser.add_argument(flag, metavar="N", type=positive(flag), default=default, help=text)
    parser.add_argument("--update-freq", metavar="N", help="batches of an update, a device")
    parser.add_argument("--node-rank", metavar="R", help="which node this is, from 0")
    parser.add_argument("--master", metavar="HOST[:PORT]", help="where node 0 listens")
    parser.add_argument(
        "--precision", metavar="TYPE", help="bf16, fp16 or fp32 (on GPUs the first they have)"
    )
    return parser
