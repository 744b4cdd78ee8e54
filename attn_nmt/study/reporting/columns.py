"""The columns of a report's table: keys of its rows, how they are shown, what they mean."""

from __future__ import annotations

from dataclasses import dataclass

from attn_nmt.study.paired_tests import LEVEL


@dataclass(frozen=True)
class Column:
    """One column; the CSV file has all of them, with numbers in full."""

    key: str
    heading: str
    form: str
    meaning: str


COLUMNS = (
    Column("cell", "cell", "", "the model, as the grid calls it"),
    Column(
        "state",
        "state",
        "",
        "finished; in part, if only some seeds are; unfinished, failed or missing",
    ),
    Column("seeds", "seeds", "", "finished, of those that any cell of the grid was started with"),
    Column("bleu", "BLEU", ".2f", "sacreBLEU of plain text, the mean over the seeds"),
    Column(
        "bleu_deviation", "±", ".2f", "the sample standard deviation over the seeds, from two on"
    ),
    Column(
        "bleu_compound_split",
        "BLEU, compound-split",
        ".2f",
        "the mean of tokenised BLEU with compounds split, as papers reported it; it is closer "
        "to the paper's, which does not say how it was tokenised",
    ),
    Column(
        "paper_bleu",
        "BLEU, paper",
        ".1f",
        "printed in the paper for Transformer-base on WMT14 English-German, newstest2014",
    ),
    Column("before", "before", "", "the cell that this one is set against"),
    Column(
        "bleu_difference",
        "Δ BLEU",
        "+.2f",
        "to the cell before, the mean over the seeds that both have finished",
    ),
    Column(
        "paper_bleu_difference", "Δ BLEU, paper", "+.1f", "the difference of the printed numbers"
    ),
    Column(
        "p_values",
        "p",
        "",
        "of a paired bootstrap against the cell before, for each seed: how often a difference "
        "as large comes about by chance",
    ),
    Column(
        "significant",
        "significant",
        "",
        f"yes if p is below {LEVEL} for every seed that both have finished and all differ in "
        "the same direction; the number of comparisons is not corrected for",
    ),
    Column(
        "gmacs",
        "GFLOPs",
        "#.4g",
        "10^9 multiply-adds of one sentence pair in the paper's convention, as `costs` counts them",
    ),
    Column("paper_gmacs", "GFLOPs, paper", ".1f", "printed, where the model is the paper's"),
    Column("gmacs_percent", "% GFLOPs", "+.1f", "more than the cell before"),
    Column("paper_percent", "% GFLOPs, paper", "+.1f", "printed, where the model is the paper's"),
    Column("parameters", "parameters", ",d", "without embeddings and output projection"),
    Column(
        "tokens_per_second",
        "tokens/s",
        ",.0f",
        "target tokens of training a second, the median over seeds; beside whatever else ran",
    ),
    Column(
        "validation_loss",
        "validation loss",
        ".3f",
        "at the end of the training, in bits a token, the mean over the seeds",
    ),
    Column(
        "on_envelope",
        "envelope",
        "",
        "yes if no other cell has at least its BLEU for fewer "
        "multiply-adds, nor a higher one for as many",
    ),
    Column("notes", "notes", "", "what is missing, and in what a seed is unlike most of the grid"),
)
