"""fairseq-generate's output, back in the order of the test set, as tokens and as plain text."""

from __future__ import annotations

import re
from pathlib import Path

from attn_nmt.command_line import UsageError

_BEST = re.compile(r"H-(\d+)\t\S+\t?(.*)")


def read_hypotheses(path: Path, *, sentences: int) -> list[str]:
    """Return the best hypothesis of each sentence, subwords joined, by ascending id.

    Raises:
        UsageError: unless there is one for every sentence of the reference.
    """
    best: dict[int, str] = {}
    for line in path.read_text(encoding="utf-8").split("\n"):
        if match := _BEST.fullmatch(line):
            # With --nbest the best comes first.
            best.setdefault(int(match[1]), match[2])
    if sorted(best) != list(range(sentences)):
        absent = sorted(set(range(sentences)) - set(best))
        raise UsageError(
            f"{path} must hold a hypothesis for each of the {sentences} reference sentences, but "
            f"holds {len(best)}"
            + (f"; the first one missing is number {absent[0]}." if absent else ".")
        )
    return [best[number] for number in range(sentences)]
