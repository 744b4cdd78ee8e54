"""Running fairseq-generate on one split of a prepared corpus."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from attn_nmt.averaging import average, last_by_epoch, last_by_update
from attn_nmt.checkpoints import load_checkpoint
from attn_nmt.command_line import UsageError
from attn_nmt.data_card import DataCard

# The usual search for Transformer-base; flags given by the user come later and win.
SEARCH = ("--beam", "4", "--lenpen", "0.6", "--max-tokens", "8000")
SUBWORD_MARK = {"subword-nmt": "subword_nmt", "sentencepiece": "sentencepiece"}


def find_checkpoint(path: Path) -> Path:
    """Return the checkpoint itself, or the best one of a folder, or its last.

    Raises:
        UsageError: if there is none, or it may not be loaded.
    """
    if path.is_dir():
        for name in ("checkpoint_best.pt", "checkpoint_last.pt"):
            if (path / name).is_file():
                return find_checkpoint(path / name)
        raise UsageError(
            f"CHECKPOINT_OR_DIR must hold checkpoint_best.pt or checkpoint_last.pt, but {path} "
            "holds neither."
        )
    load_checkpoint(path)
    return path


def average_last(folder: Path, n: int) -> Path:
    """Write the mean of the last ``n`` checkpoints of a folder, as ``averageN.pt``; return it.

    Those that were saved every so many updates, or if there are none, every epoch.

    Raises:
        UsageError: if there are fewer, or they are not of one model.
    """
    output = folder / f"average{n}.pt"
    average(choose_last(folder, n), output)
    return output


def choose_last(folder: Path, n: int) -> list[Path]:
    """Return the checkpoints whose mean ``average_last`` writes, the newest last.

    Raises:
        UsageError: if there are fewer.
    """
    if any(folder.glob("checkpoint_*_*.pt")):
        return last_by_update(folder, n, "--average")
    return last_by_epoch(folder, n, "--average")


def generate(
    checkpoint: Path, data_bin: Path, card: DataCard, split: str, folder: Path, flags: list[str]
) -> Path:
    """Translate ``split`` and return fairseq-generate's output, written into ``folder``.

    Progress goes to standard error.

    Raises:
        UsageError: if fairseq-generate fails.
    """
    command = [sys.executable, "-m", "fairseq_cli.generate", str(data_bin)]
    command += ["--user-dir", str(Path(__file__).parents[1]), "--path", str(checkpoint)]
    command += ["--source-lang", card.source_lang, "--target-lang", card.target_lang]
    command += ["--post-process", SUBWORD_MARK[card.subword], *SEARCH, *flags]
    command += ["--gen-subset", split, "--results-path", str(folder)]
    code = subprocess.run(command, stdout=sys.stderr).returncode
    if code:
        raise UsageError(f"fairseq-generate must succeed, but left with {code}; see above.")
    return folder / f"generate-{split}.txt"
