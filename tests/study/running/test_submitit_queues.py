"""What is requested from SLURM, how its refusals are reported; one job per GPU at a time."""

from __future__ import annotations

import logging
import os
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from submitit import SlurmJob
from support import fake_slurm

import attn_nmt
from attn_nmt.command_line import UsageError
from attn_nmt.study.grids.runs import Run
from attn_nmt.study.running.executors import _JobMonitor
from attn_nmt.study.running.submitit_jobs import (
    CellJob,
    LocalQueue,
    SlurmOptions,
    SlurmQueue,
    require_slurm,
)

ALL = SlurmOptions(
    minutes=90,
    requeues=4,
    parallelism=2,
    gpus=3,
    cpus=7,
    memory="32G",
    partition="long",
    additional={"account": "me", "exclusive": True},
)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a SLURM that accepts jobs, but never starts one."""
    directory = tmp_path / "slurm"
    commands = fake_slurm.install(directory)
    (directory / "full").touch()
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    SlurmJob.watcher.clear()  # of the jobs of another test
    monkeypatch.setattr(SlurmJob, "_results_timeout_s", 0)
    return directory


def seeds(run: Run, count: int) -> list[Run]:
    return [replace(run, seed=seed) for seed in range(count)]


def requested(slurm: Path) -> dict[str, str | None]:
    """The options of the submitted script."""
    lines = (slurm / "submitted.sh").read_text().splitlines()
    flags = [line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH --")]
    return {flag.partition("=")[0]: flag.partition("=")[2] or None for flag in flags}


def test_the_options_are_requested_from_slurm(
    planned_run: Run, slurm: Path, tmp_path: Path
) -> None:
    jobs = SlurmQueue(tmp_path / "own", ALL).submit(seeds(planned_run, 3))
    assert [job.job_id for job in jobs] == ["70_0", "70_1", "70_2"]
    request = requested(slurm)
    wanted = {
        "time": "90",
        "array": "0-2%2",
        "gpus-per-node": "3",
        "cpus-per-task": "7",
        "mem": "32G",
        "partition": "long",
        "account": "me",
        "exclusive": None,
        "nodes": "1",
        "ntasks-per-node": "1",
        "job-name": "attn_nmt-own",
        "signal": "USR2@90",
        "open-mode": "append",
        "output": f"{tmp_path}/own/.submitit/%A_%a_0_log.out",
        "error": f"{tmp_path}/own/.submitit/%A_%a_0_log.err",
    }
    assert {name: request[name] for name in wanted} == wanted
    assert set(request) - set(wanted) == {"wckey"}


def test_options_that_were_not_given_are_left_to_slurm(
    planned_run: Run, slurm: Path, tmp_path: Path
) -> None:
    (job,) = SlurmQueue(tmp_path, SlurmOptions(5, 0, gpus=0)).submit([planned_run])
    assert job.job_id == "70"
    left_out = {"array", "gpus-per-node", "cpus-per-task", "mem", "partition"}
    assert not left_out & set(requested(slurm))


def test_each_job_is_one_run_with_the_code_that_submits_it(
    planned_run: Run, slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/some where")
    runs = seeds(planned_run, 2)
    jobs = SlurmQueue(tmp_path, ALL).submit(runs)
    for run, job in zip(runs, jobs, strict=True):
        submission = job.submission()
        assert (submission.function.run, submission.function.gpu) == (run, None)
        assert (submission._timeout_min, submission._timeout_countdown) == (90, 4)
    text = (slurm / "submitted.sh").read_text()
    package = Path(attn_nmt.__file__).parents[1]
    assert f"\nexport PYTHONPATH='{package}:/some where'\n" in text
    assert f"{sys.executable} -u -m submitit.core._submit {tmp_path / '.submitit'}" in text


def test_a_job_can_be_pickled(planned_run: Run) -> None:
    job = CellJob(planned_run, "3")
    again = pickle.loads(pickle.dumps(job))
    assert (again.run, again.gpu) == (planned_run, "3")


def test_a_refusal_of_sbatch_is_reported(planned_run: Run, slurm: Path, tmp_path: Path) -> None:
    (slurm / "refuse").write_text("sbatch: error: invalid partition specified: long")
    with pytest.raises(
        UsageError,
        match="^sbatch must accept the jobs, but says: sbatch: error: "
        "invalid partition specified: long$",
    ):
        SlurmQueue(tmp_path, ALL).submit(seeds(planned_run, 2))


@pytest.mark.parametrize("missing", ["sbatch", "srun", "sacct", "scancel", "scontrol"])
def test_every_command_of_slurm_must_be_installed(
    slurm: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setenv("PATH", str(slurm / "bin"))
    require_slurm()
    (slurm / "bin" / missing).unlink()
    with pytest.raises(UsageError, match=f"commands are, but {missing} is not on the PATH.$"):
        require_slurm()


def test_a_job_inherits_nothing_from_the_job_that_submits_it(
    planned_run: Run, slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (slurm / "bin" / "sbatch").write_text(
        f'#!/bin/bash\necho "$SLURM_MEM_PER_NODE $MINE" >{slurm}/seen\necho job 1\n'
    )
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "9")
    monkeypatch.setenv("MINE", "stays")
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    SlurmQueue(tmp_path, ALL).submit([planned_run])
    assert (slurm / "seen").read_text() == " stays\n"
    assert os.environ["SLURM_MEM_PER_NODE"] == "9"


def test_the_states_of_slurm_become_outcomes(planned_run: Run, slurm: Path, tmp_path: Path) -> None:
    runs = [replace(run, save_dir=tmp_path / str(run.seed)) for run in seeds(planned_run, 4)]
    (slurm / "states").write_text(
        "70_0|OUT_OF_MEMORY|node1\n70_0.batch|FAILED|node1\n70_1|RUNNING|node2\n"
        "70_[2-3%2]|PENDING|None assigned\n"
    )
    monitor = _JobMonitor(runs, SlurmQueue(tmp_path, ALL))
    monitor.poll()
    assert [future.running() for future in monitor.futures] == [False, True, False, False]
    assert [future.done() for future in monitor.futures] == [True, False, False, False]
    assert monitor.futures[0].result().problem == (
        "Job 70_0 must return a result, but returned none and is OUT_OF_MEMORY; "
        f"see {tmp_path / '.submitit' / '70_0_0_log.err'}."
    )
    monitor.cancel()
    called = (slurm / "called").read_text().splitlines()
    assert called == ["scancel 70_1", "scancel 70_2", "scancel 70_3"]


class StartedJob:
    """A job of which only is known whether it has ended."""

    def __init__(self, call: CellJob) -> None:
        self.call, self.ended = call, False

    def done(self) -> bool:
        return self.ended


def test_a_gpu_has_one_job_at_a_time(
    planned_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = LocalQueue(tmp_path, ["3", "GPU-5"])
    monkeypatch.setattr(queue._executor, "submit", StartedJob)
    runs = seeds(planned_run, 4)
    jobs: list[Any] = [queue.submit(runs[n:])[0] for n in range(2)]
    assert [job.call.gpu for job in jobs] == ["3", "GPU-5"]
    assert queue.submit(runs[2:]) == []
    jobs[1].ended = True
    (third,) = queue.submit(runs[2:])
    assert (third.call.run, third.call.gpu) == (runs[2], "GPU-5")  # type: ignore[attr-defined]
    assert queue.submit(runs[3:]) == []


@pytest.mark.parametrize("queue", ["slurm", "local"])
def test_stdout_is_reserved_for_the_table(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, queue: str
) -> None:
    log = logging.getLogger("submitit")
    handlers = [logging.NullHandler(), logging.NullHandler()]
    handlers[0].name, handlers[1].name = "submitit_out", "submitit_err"
    monkeypatch.setattr(log, "handlers", handlers)
    monkeypatch.setattr(log, "propagate", True)
    if queue == "slurm":
        SlurmQueue(tmp_path, ALL)
    else:
        LocalQueue(tmp_path, [None])
    assert log.handlers == handlers[1:] and not log.propagate
