"""Plain text to subwords and back, by the rules of each language."""

from __future__ import annotations

from pathlib import Path

import pytest

from attn_nmt.data_card import DataCard
from attn_nmt.text.segmenter import Segmenter


@pytest.mark.parametrize("normalized", [False, True])
def test_each_side_is_tokenised_by_the_rules_of_its_language(
    tmp_path: Path, normalized: bool
) -> None:
    """Moses splits at apostrophes in one way in French and in another in English."""
    # Codes that merge nothing in these texts: every letter is a subword.
    (tmp_path / "bpe.codes").write_text("#version: 0.2\nx y\n")
    card = DataCard(
        corpus="own",
        source_lang="fr",
        target_lang="en",
        subword="subword-nmt",
        options={},
        lines={},
        dropped={},
        vocabulary_size=0,
        tools={},
        files={},
        normalized_punctuation=normalized,
    )
    segmenter = Segmenter(card, tmp_path)

    def joined(subwords: str) -> str:
        return subwords.replace("@@ ", "")

    mark = '"' if normalized else "„"
    assert joined(segmenter.encode(" l'eau  „ ")) == f"l' eau {mark}"
    assert joined(segmenter.encode_target("it's „")) == f"it 's {mark}"
    assert joined(segmenter.encode("it's")) == "it' s"
    assert segmenter.decode(segmenter.encode_target("it's (all) right.")) == "it's (all) right."
