"""The command line of ``train.sh``, and the rules that can be checked without a device."""

from __future__ import annotations

import difflib
from argparse import Action, ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from attn_nmt.command_line import UsageError, at_least, positive
from attn_nmt.training.save_dir import require_writable

TOKENS_PER_UPDATE = 30000
PRECISIONS = ("bf16", "fp16", "fp32")


@dataclass(frozen=True)
class Options:
    """The command line; None where devices or the environment decide."""

    arch: str
    data_bin: Path
    save_dir: Path
    max_tokens: int = 4096
    """Tokens per batch on one device, on the longer side, padding included."""
    tokens_per_update: int = TOKENS_PER_UPDATE
    update_freq: str | None = None
    """fairseq's own, instead of the one derived from ``tokens_per_update``."""
    precision: str | None = None
    processes: int | None = None
    nodes: int | None = None
    node_rank: int | None = None
    master: str | None = None
    dry_run: bool = False
    """Print what would be started, and start nothing."""
    flags: tuple[str, ...] = ()
    """Passed on to fairseq-train; they come last, and so override the recipe."""


def read(arguments: Sequence[str]) -> Options:
    """Read a command line.

    Raises:
        UsageError: if a value breaks a rule.
        SystemExit: from argparse, if a part is missing.
    """
    known, flags = _parser().parse_known_args(arguments)
    values = vars(known)
    tokens_per_update = values.pop("tokens_per_update")
    if tokens_per_update is not None and known.update_freq is not None:
        raise UsageError(
            "--update-freq must be given without --tokens-per-update, from which it follows, "
            "but both are given."
        )
    if known.update_freq is not None:
        for batches in known.update_freq.split(","):  # one number per epoch
            positive("--update-freq")(batches)
    if known.precision not in (None, *PRECISIONS):
        raise UsageError(
            f"--precision must be one of {', '.join(PRECISIONS)}, but is {known.precision!r}."
        )
    for word in flags:
        # fairseq-train would heed it, and everything else the argument. -aNAME is one word.
        flag = word[:2] if word.startswith("-a") else word.partition("=")[0]
        if argument := {"--save-dir": "SAVE_DIR", "--arch": "ARCH", "-a": "ARCH"}.get(flag):
            raise UsageError(f"{flag} must be left out, since {argument} says it, but is given.")
    values["tokens_per_update"] = tokens_per_update or TOKENS_PER_UPDATE
    return Options(**values, flags=tuple(flags))


def flags() -> dict[str, Action]:
    """Return train.sh's own flags."""
    return {
        flag: action
        for flag, action in _parser()._option_string_actions.items()
        if flag not in ("-h", "--help")
    }


def check_directories(options: Options) -> None:
    """Refuse directories that fairseq-train could not use.

    Raises:
        UsageError: naming DATA_BIN, SAVE_DIR or ``--user-dir``.
    """
    if not options.data_bin.is_dir():
        raise UsageError(f"DATA_BIN must be a directory, but {options.data_bin} is not one.")
    require_writable(options.save_dir, "SAVE_DIR")
    check_user_dir(options.flags)


def check_user_dir(flags: Sequence[str]) -> None:
    """Refuse a ``--user-dir`` that is not there, as one named from another directory.

    Raises:
        UsageError: with how to name this package.
    """
    for flag, value in pairwise(flags):
        if flag == "--user-dir" and not Path(value).is_dir():
            raise UsageError(
                f"--user-dir must be a directory, but {value} is not one in {Path.cwd()}; it may "
                "be left out, and `attn-nmt path` prints where this package is."
            )


def check_started_once(environ: Mapping[str, str]) -> None:
    """Refuse to be one of several processes, such as those that torchrun starts.

    Without GPUs, fairseq-train would let each of them train alone and write the same files.

    Raises:
        UsageError: if WORLD_SIZE in the environment is more than 1.
    """
    size = environ.get("WORLD_SIZE", "1")
    if size.isdecimal() and int(size) > 1:
        raise UsageError(
            "attn-nmt train must be started once per node, since it starts the processes itself, "
            f"but WORLD_SIZE is {size}."
        )


def check_arch(arch: str) -> None:
    """Refuse an ARCH that neither fairseq nor this package knows.

    Raises:
        UsageError: with the nearest name.
    """
    from fairseq.models import ARCH_MODEL_REGISTRY

    import attn_nmt.models  # noqa: F401  registers the architectures

    if arch not in ARCH_MODEL_REGISTRY:
        nearest = difflib.get_close_matches(arch, ARCH_MODEL_REGISTRY, n=1, cutoff=0)[0]
        raise UsageError(
            f"ARCH must be an architecture, of which {nearest} is the nearest, but is {arch!r}."
        )


def check_flags(flags: Sequence[str]) -> None:
    """Refuse flags with which fairseq-train would fail, before anything is started.

    Args:
        flags: everything that follows fairseq-train, with this package as ``--user-dir``.

    Raises:
        UsageError: with what is wrong with one of them.
    """
    from fairseq import options as fairseq_options

    import attn_nmt.models  # noqa: F401  registers the models, and checks their flags

    words = list(flags)
    user_dir = words.index("--user-dir")
    del words[user_dir : user_dir + 2]  # fairseq would log that it is imported already
    fairseq_options.parse_args_and_arch(fairseq_options.get_training_parser(), input_args=words)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="attn-nmt train",
        usage="%(prog)s ARCH DATA_BIN SAVE_DIR [options] [fairseq-train flags]",
        description="Train with the paper's recipe; every flag of fairseq-train overrides it.",
        allow_abbrev=False,
    )
    parser.add_argument("arch", metavar="ARCH", help="such as attn_transformer_wmt_en_de")
    parser.add_argument("data_bin", metavar="DATA_BIN", type=Path)
    parser.add_argument(
        "save_dir", metavar="SAVE_DIR", type=Path, help="of checkpoints; resumes from there"
    )
    numbers = {
        "--tokens-per-update": "tokens per update (30000)",
        "--max-tokens": "tokens per batch on one device (4096)",
        "--processes": "processes on this node (all GPUs; 1 without any)",
        "--nodes": "machines that train together (1, or as many as SLURM's)",
    }
    for flag, text in numbers.items():
        default = 4096 if flag == "--max-tokens" else None
        parser.add_argument(flag, metavar="N", type=positive(flag), default=default, help=text)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the recipe, the size of an update and the command; start and create nothing",
    )
    parser.add_argument("--update-freq", metavar="N", help="batches per update and device")
    parser.add_argument(
        "--node-rank",
        metavar="R",
        type=at_least(0, "--node-rank"),
        help="index of this node, from 0",
    )
    parser.add_argument("--master", metavar="HOST[:PORT]", help="where node 0 listens")
    parser.add_argument(
        "--precision",
        metavar="TYPE",
        help="bf16, fp16 or fp32 (on GPUs the first that they support)",
    )
    return parser
