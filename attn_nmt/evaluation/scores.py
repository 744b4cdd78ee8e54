"""Labelled scores: each says what it was computed on, and with which settings."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from attn_nmt.command_line import UsageError
from attn_nmt.text import moses

_HYPHEN = re.compile(r"(\S)-(\S)")


@dataclass(frozen=True)
class Scores:
    """Scores of one system on one test set, in percent."""

    bleu: float
    """sacreBLEU of plain text against the raw reference: the one comparable between papers."""
    bleu_signature: str
    bleu_tokenized: float
    """BLEU of Moses tokens, as in most papers before 2018."""
    bleu_compound_split: float
    """The same with ``a-b`` as three tokens, as in Vaswani et al. (2017); higher."""
    chrf: float
    chrf_signature: str
    sentences: int
    exact_match: float
    """Sentences equal to the raw reference: shows what BLEU and chrF hide, such as blanks."""
    subset: dict[str, list[int]] = field(default_factory=dict)
    """For each file of the corpus that differs from the published one: its lines, the published
    lines. Such scores are not comparable with published ones."""

    def labelled(self) -> str:
        """Return one line per score."""
        return (
            f"BLEU = {self.bleu:.2f} {self.bleu_signature}\n"
            f"BLEU, tokenised = {self.bleu_tokenized:.2f}\n"
            f"BLEU, tokenised and compound-split = {self.bleu_compound_split:.2f}\n"
            f"chrF = {self.chrf:.2f} {self.chrf_signature}\n"
            f"Exact match = {self.exact_match:.2f}"
        ) + self._subset_warning()

    def _subset_warning(self) -> str:
        if not self.subset:
            return ""
        parts = [f"{name} {lines} of {known}" for name, (lines, known) in self.subset.items()]
        return "\nNot the known corpus (lines of each file): " + ", ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON; ``subset`` only where there is one."""
        fields = asdict(self)
        if not self.subset:
            del fields["subset"]
        return fields


def score(
    hypotheses: list[str],
    references: list[str],
    lang: str,
    *,
    subset: dict[str, list[int]] | None = None,
) -> Scores:
    """Score plain-text hypotheses against the raw references, one per sentence.

    Raises:
        UsageError: if their numbers differ.
    """
    if len(hypotheses) != len(references):
        raise UsageError(
            f"There must be one hypothesis for each of the {len(references)} references, "
            f"but there are {len(hypotheses)}."
        )
    bleu, chrf = BLEU(), CHRF()
    plain = bleu.corpus_score(hypotheses, [references])
    characters = chrf.corpus_score(hypotheses, [references])
    tokens, reference_tokens = _tokenize(hypotheses, lang), _tokenize(references, lang)
    return Scores(
        bleu=round(plain.score, 2),
        bleu_signature=str(bleu.get_signature()),
        bleu_tokenized=_token_bleu(tokens, reference_tokens),
        bleu_compound_split=_token_bleu(_split_all(tokens), _split_all(reference_tokens)),
        chrf=round(characters.score, 2),
        chrf_signature=str(chrf.get_signature()),
        sentences=len(references),
        exact_match=_exact_match(hypotheses, references),
        subset=subset or {},
    )


def _exact_match(hypotheses: list[str], references: list[str]) -> float:
    """Return the percentage of hypotheses that equal their reference in every character.

    Rounded down, so that 100 means all.
    """
    equal = sum(map(str.__eq__, hypotheses, references))
    return 10_000 * equal // max(1, len(references)) / 100


def sentence_scores(hypotheses: list[str], references: list[str]) -> list[tuple[float, float]]:
    """Return sentence BLEU and chrF of each pair, in percent.

    BLEU leaves out the n-gram orders that the sentence is too short for. The mean of sentence
    scores is not the BLEU of the corpus.
    """
    bleu, chrf = BLEU(effective_order=True), CHRF()
    return [
        (
            bleu.sentence_score(hypothesis, [reference]).score,
            chrf.sentence_score(hypothesis, [reference]).score,
        )
        for hypothesis, reference in zip(hypotheses, references, strict=True)
    ]


def split_compounds(line: str) -> str:
    """Split ``a-b`` into three tokens, as tensor2tensor's get_ende_bleu.sh does.

    Raises:
        UsageError: if the tokeniser already split hyphens, which would inflate the score.
    """
    if "@-@" in line.split():
        raise UsageError(
            "Compound splitting must start from whole hyphens, but the text holds the token @-@, "
            "from aggressive hyphen splitting."
        )
    return _HYPHEN.sub(r"\1 ##AT##-##AT## \2", line)


def _split_all(lines: list[str]) -> list[str]:
    return [split_compounds(line) for line in lines]


def _tokenize(lines: list[str], lang: str) -> list[str]:
    tokenize = moses.tokenizer(lang)
    return [tokenize(line) for line in lines]


def _token_bleu(hypotheses: list[str], references: list[str]) -> float:
    # force: no warning about tokenised input, which is intended here.
    metric = BLEU(tokenize="none", force=True)
    return float(round(metric.corpus_score(hypotheses, [references]).score, 2))
