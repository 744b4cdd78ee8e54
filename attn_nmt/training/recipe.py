"""The paper's recipe as flags of fairseq-train, and the size of an update."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from attn_nmt.command_line import UsageError
from attn_nmt.data_card import FILE_NAME, DataCard
from attn_nmt.training.options import Options

# A choice, and the flags that fairseq-train knows only together with it.
_CHOICES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "--optimizer",
        "adam",
        ("--adam-betas", "(0.9, 0.98)", "--adam-eps", "1e-9", "--weight-decay", "0.0"),
    ),
    ("--lr-scheduler", "inverse_sqrt", ("--warmup-updates", "4000", "--warmup-init-lr", "1e-7")),
    ("--criterion", "label_smoothed_cross_entropy", ("--label-smoothing", "0.1")),
)
_FLAGS = ("--lr", "0.001", "--dropout", "0.1", "--max-update", "100000", "--seed", "1")
_LOG = ("--log-format", "simple")
# The last five are for averaging; a checkpoint of every epoch would fill the disk.
_CHECKPOINTS = ("--save-interval-updates", "1000", "--keep-interval-updates", "5")


def recipe(options: Options) -> list[str]:
    """Return the paper's flags; those of the user are to follow, and win.

    A flag that fairseq-train would refuse beside what the user chose is left out, such as
    ``--adam-betas`` beside ``--optimizer nag``.

    Raises:
        UsageError: if DATA_BIN holds no dictionaries.
    """
    found: list[str] = []
    for flag, choice, dependent in _CHOICES:
        found += [
            flag,
            choice,
            *(dependent if given(options.flags, flag) in (None, choice) else ()),
        ]
    found += [*_FLAGS, *_LOG, *_CHECKPOINTS]
    if all(
        given(options.flags, flag) is None for flag in ("--keep-last-epochs", "--save-interval")
    ):
        found.append("--no-epoch-checkpoints")
    if one_dictionary(options.data_bin):
        found.append("--share-all-embeddings")
    return found


def given(flags: Sequence[str], name: str) -> str | None:
    """Return the value that ``name`` has among the flags, the last if there are several."""
    value = None
    for flag, following in zip(flags, [*flags, ""][1:], strict=True):
        if flag == name:
            value = following
        elif flag.startswith(f"{name}="):
            value = flag.removeprefix(f"{name}=")
    return value


def one_dictionary(data_bin: Path) -> bool:
    """Whether source and target have the same dictionary, so that embeddings can be shared.

    The languages are those of the data card beside DATA_BIN, or all that have a dictionary.

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
    """Return the batches that each device adds up for an update: as near as can be to the wish."""
    if options.update_freq is not None:
        return options.update_freq
    return str(max(1, round(options.tokens_per_update / (options.max_tokens * world_size))))


def batch_line(options: Options, world_size: int) -> str:
    """Say what an update holds at most; ``wpb`` in fairseq's log says what it does hold.

    A batch is full by the longer side with its padding, so that the target words that fairseq
    counts, update for update, are somewhat fewer.
    """
    freq = update_freq(options, world_size)
    devices = f"{world_size} device{'s' if world_size > 1 else ''}"
    line = f"batch: {options.max_tokens} tokens x {devices} x update-freq {freq}"
    if not freq.isdecimal():  # one number an epoch
        return line
    line += f" = {options.max_tokens * world_size * int(freq)} tokens an update"
    wanted = "" if options.update_freq else f" (wanted {options.tokens_per_update})"
    return f"{line}{wanted}; wpb in the log counts target words"
