"""Running fairseq-generate on one split, and its hypotheses in the order of the sentences."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from attn_nmt.child_processes import die_with
from attn_nmt.command_line import UsageError
from attn_nmt.data_card import DataCard

# The usual search for Transformer-base; flags of the user come later and override it.
_SEARCH = shlex.split("--beam 4 --lenpen 0.6 --max-tokens 8000")
_HYPOTHESIS = re.compile(r"H-(\d+)\t\S+\t?(.*)")


def generate(
    checkpoint: Path, data_bin: Path, card: DataCard, split: str, directory: Path, flags: list[str]
) -> Path:
    """Translate ``split`` and return fairseq-generate's output, written into ``directory``.

    Progress goes to standard error.

    Raises:
        UsageError: if fairseq-generate fails.
    """
    command = [sys.executable, "-m", "fairseq_cli.generate", str(data_bin)]
    command += ["--user-dir", str(Path(__file__).parents[1]), "--path", str(checkpoint)]
    command += ["--source-lang", card.source_lang, "--target-lang", card.target_lang]
    command += ["--post-process", card.subwords.post_process, *_SEARCH, *flags]
    command += ["--gen-subset", split, "--results-path", str(directory)]
    preexec = die_with(os.getpid())
    code = subprocess.run(command, stdout=sys.stderr, preexec_fn=preexec).returncode
    if code:
        raise UsageError(f"fairseq-generate must succeed, but exited with {code}; see above.")
    return directory / f"generate-{split}.txt"


def read_hypotheses(path: Path, *, sentences: int) -> list[str]:
    """Return the best hypothesis of each sentence by ascending id, subwords already joined.

    Raises:
        UsageError: unless there is one for every sentence of the reference.
    """
    best: dict[int, str] = {}
    for line in path.read_text(encoding="utf-8").split("\n"):
        if match := _HYPOTHESIS.fullmatch(line):
            # With --nbest the best comes first.
            best.setdefault(int(match[1]), match[2])
    if sorted(best) != list(range(sentences)):
        missing = sorted(set(range(sentences)) - set(best))
        raise UsageError(
            f"{path} must hold a hypothesis for each of the {sentences} reference sentences, but "
            f"holds {len(best)}"
            + (f"; the first one missing is number {missing[0]}." if missing else ".")
        )
    return [best[number] for number in range(sentences)]
