"""The labelled scores: each says what it was computed on, and with which settings."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from attn_nmt import moses
from attn_nmt.command_line import UsageError

_HYPHEN = re.compile(r"(\S)-(\S)")


@dataclass(frozen=True)
class Scores:
    """Scores of one system on one test set, in percent."""

    bleu: float
    """sacreBLEU of plain text against the raw reference: the one to compare with others."""
    bleu_signature: str
    bleu_tokenized: float
    """BLEU of Moses tokens, as most papers before 2018 report it."""
    bleu_compound_split: float
    """The same with ``a-b`` counted as three tokens, as in Vaswani et al. (2017); higher."""
    chrf: float
    chrf_signature: str
    sentences: int
    subset: dict[str, list[int]] = field(default_factory=dict)
    """Of each file of the corpus that is not the known one, its lines and those of the known one;
    such scores cannot be compared with other people's."""

    def labelled(self) -> str:
        """Return one line a score."""
        return (
            f"BLEU = {self.bleu:.2f} {self.bleu_signature}\n"
            f"BLEU, tokenised = {self.bleu_tokenized:.2f}\n"
            f"BLEU, tokenised and compound-split = {self.bleu_compound_split:.2f}\n"
            f"chrF = {self.chrf:.2f} {self.chrf_signature}"
        ) + self._caution()

    def _caution(self) -> str:
        if not self.subset:
            return ""
        parts = [f"{name} {found} of {known}" for name, (found, known) in self.subset.items()]
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
    """Score plain-text hypotheses against the raw references, one a sentence.

    Raises:
        UsageError: if there are more of one than of the other.
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
        subset=subset or {},
    )


def sentence_scores(hypotheses: list[str], references: list[str]) -> list[tuple[float, float]]:
    """Return sentence BLEU and chrF of each pair, in percent.

    BLEU takes no order of n-grams that the sentence is too short for; its mean is not the BLEU of
    the whole.
    """
    bleu, chrf = BLEU(effective_order=True), CHRF()
    return [
        (bleu.sentence_score(one, [right]).score, chrf.sentence_score(one, [right]).score)
        for one, right in zip(hypotheses, references, strict=True)
    ]


def split_compounds(line: str) -> str:
    """Split ``a-b`` into three tokens, as tensor2tensor's get_ende_bleu.sh does.

    Raises:
        UsageError: if hyphens were split by the tokeniser already; the score would be inflated.
    """
    if "@-@" in line.split():
        raise UsageError(
            "Compound splitting must start from whole hyphens, but the text holds the token @-@, "
            "made by aggressive hyphen splitting."
        )
    return _HYPHEN.sub(r"\1 ##AT##-##AT## \2", line)


def _split_all(lines: list[str]) -> list[str]:
    return [split_compounds(line) for line in lines]


def _tokenize(lines: list[str], lang: str) -> list[str]:
    tokenize = moses.tokenizer(lang)
    return [tokenize(line) for line in lines]


def _token_bleu(hypotheses: list[str], references: list[str]) -> float:
    # force: sacreBLEU warns about tokenised input, which is what this score is about.
    metric = BLEU(tokenize="none", force=True)
    return float(round(metric.corpus_score(hypotheses, [references]).score, 2))
