"""The executor: every run once, one a GPU at a time, in order, and stopped as a whole."""

from __future__ import annotations

from dataclasses import replace
from threading import Barrier, Event, Lock
from typing import Any

import pytest
import torch

from attn_nmt.study.grids.plan import Run
from attn_nmt.study.running import local, progress
from attn_nmt.study.running.cell import Outcome
from attn_nmt.study.running.child import Stopped


def several(run: Run, count: int) -> list[Run]:
    return [
        replace(run, seed=seed, save_dir=run.save_dir / str(seed)) for seed in range(1, count + 1)
    ]


def test_each_gpu_has_one_run_at_a_time(planned_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    both, lock = Barrier(2), Lock()
    busy: set[str] = set()

    def fake(run: Run, gpu: str, stop: Event) -> Outcome:
        with lock:
            assert gpu not in busy
            busy.add(gpu)
        both.wait()  # passes only if two run at the same time
        with lock:
            busy.remove(gpu)
        return Outcome("done", {"seed": run.seed, "gpu": gpu})

    monkeypatch.setattr(local, "run_cell", fake)
    outcomes = local.run_locally(several(planned_run, 4), ["3", "5"])
    results: list[dict[str, Any]] = [outcome.result or {} for outcome in outcomes]
    assert [found["seed"] for found in results] == [1, 2, 3, 4]
    assert {found["gpu"] for found in results} == {"3", "5"}


def test_a_failure_is_named_and_the_others_run(
    planned_run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fake(run: Run, gpu: str | None, stop: Event) -> Outcome:
        return Outcome("failed", problem="It broke.") if run.seed == 2 else Outcome("done", {})

    monkeypatch.setattr(local, "run_cell", fake)
    outcomes = local.run_locally(several(planned_run, 3), [None])
    assert [outcome.state for outcome in outcomes] == ["done", "failed", "done"]
    assert f"{planned_run.save_dir / '2'}: It broke.\n" in capsys.readouterr().err


def test_an_interrupt_stops_what_runs_and_starts_no_more(
    planned_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []
    running = Event()

    def fake(run: Run, gpu: str | None, stop: Event) -> Outcome:
        started.append(run.seed)
        running.set()
        stop.wait()
        raise Stopped

    def interrupt(*_: Any) -> None:
        running.wait()
        raise KeyboardInterrupt

    monkeypatch.setattr(local, "run_cell", fake)
    monkeypatch.setattr(progress, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        local.run_locally(several(planned_run, 3), [None])
    assert started == [1]


@pytest.mark.parametrize(
    ("count", "variable", "flags", "names"),
    [
        (0, None, [], [None]),
        (2, None, [], ["0", "1"]),
        (2, "4,6", [], ["4", "6"]),
        (0, "", [], [None]),
        (2, None, ["--cpu"], [None]),
    ],
)
def test_which_gpus_there_are(
    planned_run: Run,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    variable: str | None,
    flags: list[str],
    names: list[str | None],
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if variable is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    run = replace(planned_run, train=[*planned_run.train, *flags])
    assert local.visible_gpus([run]) == names
