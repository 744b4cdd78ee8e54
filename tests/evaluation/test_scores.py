"""The scores against sacreBLEU's own, and how they differ from each other."""

from __future__ import annotations

import re

import pytest
import sacrebleu

from attn_nmt.command_line import UsageError
from attn_nmt.evaluation.scores import score, sentence_scores, split_compounds

REFERENCES = [
    "Der Deutsch-Französische Krieg begann am 19. Juli 1870.",
    "Das Haus, das ich kaufte, ist groß.",
    "Er wohnt seit 3 Jahren in Wien.",
]
HYPOTHESES = [
    "Der Deutsch-Französische Krieg endete am 19. Juli 1870.",
    "Das Haus, das ich kaufte, ist sehr groß.",
    "Er lebt seit 3 Jahren in Wien.",
]


def test_bleu_and_chrf_are_sacrebleus() -> None:
    found = score(HYPOTHESES, REFERENCES, "de")
    assert found.bleu == round(sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES]).score, 2)
    assert found.chrf == round(sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES]).score, 2)
    assert found.bleu_signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert found.sentences == 3


def tokenized(lines: list[str]) -> list[str]:
    """The tokens of the lines above; in English the full stop of "19." would be one by itself."""
    return [re.sub(r"(,|\.$)", r" \1", line) for line in lines]


def test_token_bleu_is_sacrebleus_of_moses_tokens() -> None:
    assert tokenized(REFERENCES)[0].endswith(" am 19. Juli 1870 .")
    found = score(HYPOTHESES, REFERENCES, "de")
    for key, change in (("bleu_tokenized", str), ("bleu_compound_split", split_compounds)):
        hypotheses, references = (
            [change(line) for line in tokenized(lines)] for lines in (HYPOTHESES, REFERENCES)
        )
        expected = sacrebleu.corpus_bleu(hypotheses, [references], tokenize="none", force=True)
        assert getattr(found, key) == round(expected.score, 2)
    assert score(HYPOTHESES, REFERENCES, "en").bleu_tokenized != found.bleu_tokenized


def test_sentence_scores_are_sacrebleus() -> None:
    pairs = list(zip(HYPOTHESES, REFERENCES, strict=True)) + [("Ja.", "Ja."), ("Nein", "Ja .")]
    for (bleu, chrf), (one, other) in zip(
        sentence_scores(*map(list, zip(*pairs, strict=True))), pairs, strict=True
    ):
        assert bleu == sacrebleu.sentence_bleu(one, [other], use_effective_order=True).score
        assert chrf == sacrebleu.sentence_chrf(one, [other]).score


def test_a_perfect_translation_scores_100() -> None:
    found = score(REFERENCES, REFERENCES, "de").as_dict()
    for name in ("bleu", "bleu_tokenized", "bleu_compound_split", "chrf", "exact_match"):
        assert found[name] == pytest.approx(100.0)


@pytest.mark.parametrize("wrong", ["Um 18: 00 Uhr.", "um 18:00 Uhr.", "Um 18:00 Uhr ."])
def test_exact_match_counts_the_sentences_that_are_equal_to_the_reference(wrong: str) -> None:
    references = ["Um 18:00 Uhr.", *REFERENCES]
    assert score(references, references, "de").exact_match == 100
    assert score([wrong, *REFERENCES], references, "de").exact_match == 75


def test_exact_match_is_100_only_if_all_sentences_match() -> None:
    references = ["Ja."] * 20_001  # of which all but one are 99.995 %
    assert score([*references[1:], "Nein."], references, "de").exact_match == 99.99


def test_keys_of_the_scores_keep_their_order() -> None:
    subset = {"train.de": [1, 2]}
    assert list(score(REFERENCES, REFERENCES, "de", subset=subset).as_dict()) == [
        "bleu",
        "bleu_signature",
        "bleu_tokenized",
        "bleu_compound_split",
        "chrf",
        "chrf_signature",
        "sentences",
        "exact_match",
        "subset",
    ]


def test_splitting_compounds_counts_their_parts() -> None:
    assert split_compounds("a-b c - d") == "a ##AT##-##AT## b c - d"
    found = score(HYPOTHESES, REFERENCES, "de")
    assert found.bleu_compound_split > found.bleu_tokenized


def test_text_with_split_hyphens_is_refused() -> None:
    with pytest.raises(UsageError, match="^Compound splitting must start from whole hyphens, .*$"):
        split_compounds("Deutsch @-@ Französisch")


def test_different_numbers_of_hypotheses_and_references_are_refused() -> None:
    message = "^There must be one hypothesis for each of the 3 references, but there are 2.$"
    with pytest.raises(UsageError, match=message):
        score(HYPOTHESES[:2], REFERENCES, "de")


def test_every_line_is_labelled_with_its_score() -> None:
    found = score(HYPOTHESES, REFERENCES, "de")
    assert found.labelled().split("\n") == [
        f"BLEU = {found.bleu:.2f} {found.bleu_signature}",
        f"BLEU, tokenised = {found.bleu_tokenized:.2f}",
        f"BLEU, tokenised and compound-split = {found.bleu_compound_split:.2f}",
        f"chrF = {found.chrf:.2f} {found.chrf_signature}",
        "Exact match = 0.00",
    ]
    assert len({found.bleu, found.bleu_tokenized, found.bleu_compound_split, found.chrf}) == 4
