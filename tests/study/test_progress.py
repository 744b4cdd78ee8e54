"""The progress display: how much is done, what is running, what is only waiting."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace

import pytest

from attn_nmt.study.grids.plan import Run
from attn_nmt.study.running import progress
from attn_nmt.study.running.cell import Outcome

DONE = Outcome("done", {})


def test_how_much_of_a_run_is_done(planned_run: Run) -> None:
    assert progress.fraction(planned_run) == 0
    planned_run.save_dir.mkdir(parents=True)
    log = planned_run.save_dir / "train.log"
    log.write_text("2026 | INFO | train_inner | num_updates=25, lr=0\n")
    assert progress.fraction(planned_run) == 0.25
    log.write_text("2026 | INFO | train_inner | num_updates=100, lr=0\n")
    assert progress.fraction(planned_run) == 0.99, "it is still to be scored"
    (planned_run.save_dir / "result.json").write_text("{}")
    assert progress.fraction(planned_run) == 1


def with_log(run: Run, seed: int, updates: int) -> Run:
    """The same run with another seed, that many updates on."""
    folder = run.save_dir.parent / f"seed{seed}"
    folder.mkdir(parents=True)
    (folder / "train.log").write_text(f"| train_inner | num_updates={updates}, lr=0\n")
    return replace(run, seed=seed, save_dir=folder)


@pytest.mark.parametrize(
    ("ended", "running", "told"),
    [
        (0, 0, "5 in the queue"),
        (2, 0, "3 in the queue"),
        (1, 1, "one seed 2: update 20"),
        (0, 3, "one seed 1: update 10, one seed 2: update 20, one seed 3: update 30"),
        (0, 5, "one seed 1: update 10, one seed 2: update 20, one seed 3: update 30, and 2 more"),
    ],
)
def test_what_is_told_of_the_runs(planned_run: Run, ended: int, running: int, told: str) -> None:
    runs = [with_log(planned_run, seed, 10 * seed) for seed in range(1, 6)]
    futures: list[Future[Outcome]] = [Future() for _ in runs]
    for future in futures[:ended]:
        future.set_result(DONE)
    for future in futures[ended : ended + running]:
        future.set_running_or_notify_cancel()
    assert progress.current(runs, futures) == told


def test_every_look_may_end_a_run(planned_run: Run) -> None:
    futures: list[Future[Outcome]] = [Future(), Future()]
    left = list(futures)
    progress.show([planned_run, planned_run], futures, lambda: left.pop().set_result(DONE))
    assert left == [], "both looks came, and no third one"
    assert progress.current([planned_run, planned_run], futures) == ""
