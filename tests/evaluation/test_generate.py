"""fairseq-generate's output, in the order of the sentences."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from attn_nmt.command_line import UsageError
from attn_nmt.evaluation.generate import read_hypotheses

OUTPUT = """S-2\tthree
T-2\tdrei
H-2\t-0.31\tdrei Häuser
D-2\t-0.31\tdrei Häuser
P-2\t-0.2 -0.4
H-2\t-0.90\tzweite Wahl
H-0\t-0.12\teins
H-1\t-1.5\t
2026-01-01 | INFO | Translated 3 sentences
"""


def test_the_best_hypotheses_are_ordered_by_id(tmp_path: Path) -> None:
    path = tmp_path / "generate-test.txt"
    path.write_text(OUTPUT, encoding="utf-8")
    assert read_hypotheses(path, sentences=3) == ["eins", "", "drei Häuser"]


@pytest.mark.parametrize(
    ("sentences", "ending"),
    [
        (4, "each of the 4 reference sentences, but holds 3; the first one missing is number 3."),
        (2, "each of the 2 reference sentences, but holds 3."),
    ],
)
def test_another_number_than_expected_is_refused(
    tmp_path: Path, sentences: int, ending: str
) -> None:
    path = tmp_path / "generate-test.txt"
    path.write_text(OUTPUT, encoding="utf-8")
    with pytest.raises(UsageError, match=f"{re.escape(ending)}$"):
        read_hypotheses(path, sentences=sentences)


def test_a_line_separator_inside_a_sentence_does_not_end_it(tmp_path: Path) -> None:
    path = tmp_path / "generate-test.txt"
    path.write_text("H-0\t-0.1\ta\u2028b\n", encoding="utf-8")
    assert read_hypotheses(path, sentences=1) == ["a\u2028b"]
