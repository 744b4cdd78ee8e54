"""``average_checkpoints.py``: which checkpoints to average, and where to."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from attn_nmt.averaging.mean import average
from attn_nmt.averaging.selection import best, last_by_epoch, last_by_update
from attn_nmt.command_line import UsageError, positive, run

SELECTIONS = {"--last-updates": last_by_update, "--last-epochs": last_by_epoch, "--best": best}


def main() -> None:
    """Average, and print the names of what was averaged, one a line, then that of the output."""
    options = _parser().parse_args()
    if options.output.is_dir():
        raise UsageError(f"--output must be a file, but {options.output} is a folder.")
    if not options.output.parent.is_dir():
        raise UsageError(
            f"--output must be in a folder that exists, but {options.output.parent} does not."
        )
    paths = _chosen(options)
    average(paths, options.output)
    print(*paths, sep="\n")
    print(f"mean of {len(paths)}: {options.output}")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="average_checkpoints.py",
        usage="%(prog)s --output FILE (--last-updates N | --last-epochs N | --best N) SAVE_DIR\n"
        "       %(prog)s --output FILE CHECKPOINT...",
        description="Average the parameters of checkpoints of one model.",
        allow_abbrev=False,
    )
    parser.add_argument("--output", metavar="FILE", type=Path, required=True, help="what to write")
    helps = (
        "last N checkpoint_EPOCH_UPDATE.pt",
        "last N checkpointEPOCH.pt",
        "best N checkpoint.best_METRIC_VALUE.pt",
    )
    for flag, text in zip(SELECTIONS, helps, strict=True):
        parser.add_argument(flag, metavar="N", type=positive(flag), help=text)
    parser.add_argument("paths", metavar="SAVE_DIR or CHECKPOINT", type=Path, nargs="+")
    return parser


def _chosen(options: Namespace) -> list[Path]:
    """Return the checkpoints that the command line names or selects."""
    numbers = {flag: getattr(options, flag[2:].replace("-", "_")) for flag in SELECTIONS}
    given = [flag for flag, number in numbers.items() if number is not None]
    paths: list[Path] = options.paths
    if len(given) > 1:
        raise UsageError(f"{given[1]} must be given without {given[0]}, but both are given.")
    if given and len(paths) > 1:
        raise UsageError(
            f"{given[0]} must be followed by one SAVE_DIR, but {len(paths)} are given."
        )
    if given:
        return SELECTIONS[given[0]](paths[0], numbers[given[0]])
    folder = next((path for path in paths if path.is_dir()), None)
    if folder is not None:
        raise UsageError(
            f"SAVE_DIR must come with one of {', '.join(SELECTIONS)}, but {folder} comes with none."
        )
    return paths


if __name__ == "__main__":
    run(main)
