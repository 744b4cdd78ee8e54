"""The progress bar: how much is done, what is running, what is only queued."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import Future
from dataclasses import replace

import pytest
from support.commandline import ROOT

from attn_nmt.progress import Progress
from attn_nmt.study import training_time
from attn_nmt.study.grids.runs import Run
from attn_nmt.study.running.cell import Outcome
from attn_nmt.study.running.progress import fraction_done, show_progress, status, total_updates
from attn_nmt.study.training_time import Corpus

DONE = Outcome("done", {})


def test_the_fraction_of_a_run_is_that_of_its_updates(planned_run: Run) -> None:
    assert fraction_done(planned_run) == 0
    planned_run.save_dir.mkdir(parents=True)
    log = planned_run.save_dir / "train.log"
    log.write_text("2026 | INFO | train_inner | num_updates=25, lr=0\n")
    assert fraction_done(planned_run) == 0.25
    log.write_text("2026 | INFO | train_inner | num_updates=100, lr=0\n")
    assert fraction_done(planned_run) == 0.99, "it is not scored yet"
    (planned_run.save_dir / "result.json").write_text("{}")
    assert fraction_done(planned_run) == 1


def test_a_training_may_be_limited_by_epochs(
    planned_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ten pairs of 100 tokens, and updates of 500: two each epoch.
    monkeypatch.setattr(training_time, "read_corpus", lambda data_bin: Corpus(10, 100.0, 50))
    planned_run.data_bin.mkdir(parents=True)
    for lang in ("de", "en"):
        (planned_run.data_bin / f"dict.{lang}.txt").write_text("word 1\n")
    flags = "--max-epoch 3 --tokens-per-update 500 --max-tokens 500"
    limited = replace(planned_run, train=[*planned_run.train, *flags.split()])
    assert total_updates(limited) == 6
    assert total_updates(planned_run) == 100


def test_a_run_moves_between_the_lines_of_its_log(planned_run: Run) -> None:
    """By what the training itself reports, also if it was resumed from an earlier update."""
    directory = planned_run.save_dir
    directory.mkdir(parents=True)
    (directory / "train.log").write_text("| train_inner | num_updates=25, lr=0\n")
    child = f"""
from pathlib import Path
from attn_nmt.training import save_dir
save_dir.acquire(Path({str(directory)!r}))
save_dir.report(Path({str(directory)!r}), 1234)
save_dir.report(Path({str(directory)!r}), 26)
"""
    subprocess.run([sys.executable, "-c", child], check=True, cwd=ROOT)
    assert fraction_done(planned_run) == 0.26


def with_log(run: Run, seed: int, updates: int) -> Run:
    """Return the same run with another seed, after that many updates."""
    directory = run.save_dir.parent / f"seed{seed}"
    directory.mkdir(parents=True)
    (directory / "train.log").write_text(f"| train_inner | num_updates={updates}, lr=0\n")
    return replace(run, seed=seed, save_dir=directory)


@pytest.mark.parametrize(
    ("ended", "running", "shown"),
    [
        (0, 0, "5 in the queue"),
        (2, 0, "3 in the queue"),
        (1, 1, "one seed 2: update 20 of 100"),
        (0, 2, "one seed 1: update 10 of 100, one seed 2: update 20 of 100"),
        (
            0,
            5,
            "one seed 1: update 10 of 100, one seed 2: update 20 of 100, "
            "one seed 3: update 30 of 100, and 2 more",
        ),
    ],
)
def test_the_status_names_running_runs_or_counts_queued_ones(
    planned_run: Run, ended: int, running: int, shown: str
) -> None:
    runs = [with_log(planned_run, seed, 10 * seed) for seed in range(1, 6)]
    futures: list[Future[Outcome]] = [Future() for _ in runs]
    for future in futures[:ended]:
        future.set_result(DONE)
    for future in futures[ended : ended + running]:
        future.set_running_or_notify_cancel()
    assert status(runs, futures) == shown


def test_runs_in_progress_are_not_counted_as_done(
    planned_run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("attn_nmt.progress.Progress.time_left", lambda _: "")
    monkeypatch.setattr("attn_nmt.progress.Progress.refresh", Progress.print_line)
    runs = [with_log(planned_run, seed, 90) for seed in (1, 2)]
    futures: list[Future[Outcome]] = [Future() for _ in runs]
    for future in futures:
        future.set_running_or_notify_cancel()
    rest = list(futures)
    show_progress(runs, futures, lambda: rest.pop().set_result(DONE))
    assert list(dict.fromkeys(capsys.readouterr().err.splitlines())) == [
        "done: 0 of 2 runs, one seed 1: update 90 of 100, one seed 2: update 90 of 100",
        "done: 1 of 2 runs, one seed 1: update 90 of 100",
        "done: 2 of 2 runs",
    ]


def test_polling_ends_with_the_last_run(planned_run: Run) -> None:
    futures: list[Future[Outcome]] = [Future(), Future()]
    open_futures = list(futures)
    show_progress([planned_run, planned_run], futures, lambda: open_futures.pop().set_result(DONE))
    assert open_futures == [], "polled once per run; a third time would fail"
    assert status([planned_run, planned_run], futures) == ""
