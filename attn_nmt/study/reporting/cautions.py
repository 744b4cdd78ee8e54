"""What a reader must know before comparing the numbers of a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attn_nmt.study.costs.rows import PAPER_SIZE
from attn_nmt.study.flags import arch_of_size
from attn_nmt.study.reporting.found import FoundGrid
from attn_nmt.study.reporting.settings import CORPUS, WHOLE, Setting, labels, told
from attn_nmt.study.reporting.significance import SeedTest
from attn_nmt.study.tables import Row

_PAPER_CORPUS = "wmt14"


def cautions(
    grid: FoundGrid,
    found: Sequence[Setting],
    tests: Mapping[str, Sequence[SeedTest]],
    rows: Sequence[Row],
) -> list[str]:
    """Return sentences of plain text, none if there is nothing to be careful about."""
    return [*_parts(found), *_mixed(found), *_untested(tests), *_unlike_paper(grid, rows)]


def _parts(found: Sequence[Setting]) -> list[str]:
    return [
        f"The scores of {labels(runs)} cannot be compared with other people's: {text}."
        for setting in found
        if setting.name == CORPUS
        for text, runs in setting.values.items()
        if text != WHOLE
    ]


def _mixed(found: Sequence[Setting]) -> list[str]:
    return [
        f"The runs are not alike in {setting.name}: {' against '.join(told(setting))}."
        for setting in found
        if len(setting.values) > 1
    ]


def _untested(tests: Mapping[str, Sequence[SeedTest]]) -> list[str]:
    by_problem: dict[str, list[str]] = {}
    for cell, of_cell in tests.items():
        for test in of_cell:
            if test.problem is not None:
                by_problem.setdefault(test.problem, []).append(f"{cell} seed {test.seed}")
    return [
        f"There is no p of {'; '.join(cells)}: {problem}" for problem, cells in by_problem.items()
    ]


def _unlike_paper(grid: FoundGrid, rows: Sequence[Row]) -> list[str]:
    if all(row["paper_bleu"] is None for row in rows):
        return []
    models = {
        (str((run.result or {})["arch"]), str(_corpus(run.environment))) for run in grid.finished
    }
    unlike = sorted(models - {(arch_of_size(PAPER_SIZE), _PAPER_CORPUS)})
    if not unlike:
        return []
    told = ", ".join(f"{arch} on the corpus {corpus}" for arch, corpus in unlike)
    return [
        "The paper's BLEU is that of Transformer-base on WMT14 English-German, newstest2014. "
        f"Here are results of {told}: compare the order of the models, not the numbers."
    ]


def _corpus(environment: Mapping[str, object]) -> object:
    card = environment.get("data_card")
    return card.get("corpus", "unknown") if isinstance(card, dict) else "unknown"
