"""One run of one cell: trained and scored, from the beginning or from where it was interrupted.

``run_cell`` needs nothing but a picklable :class:`Run`, so that any executor can call it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from omegaconf import OmegaConf

from attn_nmt.checkpoints import LAST, find_checkpoint, load_checkpoint
from attn_nmt.checkpoints.averaging import last_if_enough
from attn_nmt.child_processes import die_with
from attn_nmt.command_line import UsageError
from attn_nmt.study.grids.runs import Run
from attn_nmt.study.model_costs import GIGA, mechanism_costs
from attn_nmt.study.running import run_directory as files
from attn_nmt.study.running.training_log import is_done, last_lines, tokens_per_second

LENGTH = 50
"""Tokens on each side for the costs: the length that the paper's numbers agree with."""
_LAST_LINES = 30
_POLL_INTERVAL = 0.2
_SIGNAL_DELAY = 0.5
# More than what a command gives its own children, or it would be killed before it has cleaned up;
# less than the 30 seconds that SLURM gives this process.
_STOP_TIMEOUT = 20.0


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    state: str
    """"done" now, "kept" from an earlier start, or "failed"."""
    result: dict[str, Any] | None = None
    problem: str | None = None
    """One line about a failed run."""


class StepFailed(Exception):
    """A command of a run exited with an error, or its job died."""


class Stopped(Exception):
    """The run was stopped because its ``stop`` event was set."""


def run_cell(run: Run, gpu: str | None = None, stop: Event | None = None) -> Outcome:
    """Train and score a run unless it is finished; a failure is an outcome, not an exception.

    Args:
        run: what to do, and where.
        gpu: the GPU to use, as in CUDA_VISIBLE_DEVICES; None leaves that variable unchanged.
        stop: an event that stops the run when it is set.

    Raises:
        Stopped: if ``stop`` was set; the next call resumes the run.
    """
    variables = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
    try:
        run.save_dir.mkdir(parents=True, exist_ok=True)
        with files.exclusive(run.save_dir):
            files.require_same_commands(run)
            earlier = finished(run)
            if earlier is not None:
                return earlier
            (run.save_dir / files.FAILURE).unlink(missing_ok=True)
            try:
                return Outcome("done", _train_and_evaluate(run, variables, stop))
            except Stopped:
                raise
            except Exception as error:  # the other runs must go on
                return failed(run, error)
    except (UsageError, OSError) as error:
        # The directory belongs to another run or is not writable: nothing is written into it.
        return Outcome("failed", problem=str(error))


def finished(run: Run) -> Outcome | None:
    """Return the outcome of a run that an earlier start finished, or None.

    Raises:
        UsageError: if its result was not written by this command.
    """
    result = files.read_result(run.save_dir)
    return None if result is None else Outcome("kept", result)


def failed(run: Run, error: Exception) -> Outcome:
    """Write ``failure.txt``, with a traceback if the error is unexpected; return the outcome."""
    is_expected = isinstance(error, StepFailed | UsageError | OSError)
    text = str(error) if is_expected else "".join(traceback.format_exception(error))
    # A traceback ends with the error; a failed command begins with it and ends with its log.
    problem = text.strip().splitlines()[0 if is_expected else -1]
    try:
        run.save_dir.mkdir(parents=True, exist_ok=True)
        files.write_text(run.save_dir / files.FAILURE, text.rstrip() + "\n")
    except OSError as unwritten:
        problem += f" ({files.FAILURE} could not be written: {unwritten.strerror})"
    return Outcome("failed", problem=problem)


def _train_and_evaluate(run: Run, variables: dict[str, str], stop: Event | None) -> dict[str, Any]:
    directory = run.save_dir
    files.require_same_data(run)
    files.write_text(directory / files.COMMAND, files.command_script(run))
    files.write_json(directory / files.ENVIRONMENT, files.environment(run.data_bin, variables))
    if not is_trained(directory):
        _step(run.train, directory / files.TRAIN_LOG, variables, stop)
    files.write_json(directory / files.CONFIG, _resolved_config(directory))
    averaged, checkpoints = _scored_checkpoints(run)
    _step(run.evaluate, directory / files.EVALUATE_LOG, variables, stop)
    result = _result(run, averaged, checkpoints)
    files.write_json(directory / files.RESULT, result)
    return result


def is_trained(directory: Path) -> bool:
    """Whether the training is complete; fairseq-train would make one more update if called again.

    The log says so. If the training was interrupted between its last checkpoint and its last log
    line, that checkpoint does.
    """
    if not (directory / LAST).is_file():
        return False
    if is_done(directory / files.TRAIN_LOG):
        return True
    try:
        state = load_checkpoint(directory / LAST)
    except UsageError:  # truncated; the training restores it
        return False
    limit = state["cfg"]["optimization"]["max_update"]
    return bool(limit) and _updates(state) >= limit


def _updates(state: dict[str, Any]) -> int:
    """Return the number of updates of a checkpoint."""
    return int(state["optimizer_history"][-1].get("num_updates", 0))


def _resolved_config(directory: Path) -> dict[str, Any]:
    """Return the configuration that fairseq-train resolved, from the last checkpoint.

    Raises:
        UsageError: if it is missing or damaged.
    """
    config = load_checkpoint(directory / LAST)["cfg"]
    if OmegaConf.is_config(config):
        config = OmegaConf.to_container(config)
    # The model's group may be a Namespace.
    return {
        name: vars(group) if hasattr(group, "__dict__") else group for name, group in config.items()
    }


def _scored_checkpoints(run: Run) -> tuple[bool, list[str]]:
    """Return whether an average is scored, and the names of its checkpoints.

    If fewer checkpoints were kept than are to be averaged, the best one or the last is scored.

    Raises:
        UsageError: if there is none.
    """
    averaged = last_if_enough(run.save_dir, run.average)
    checkpoints = averaged or [find_checkpoint(run.save_dir)]
    return bool(averaged), [path.name for path in checkpoints]


def _result(run: Run, averaged: bool, checkpoints: list[str]) -> dict[str, Any]:
    """Return the content of ``result.json``, after the evaluation.

    Raises:
        UsageError: if the last checkpoint is missing or damaged.
        OSError: if there are no scores.
    """
    evaluation = f"evaluation-test-average{run.average}" if averaged else "evaluation-test"
    scores = (run.save_dir / evaluation / "scores.json").read_text(encoding="utf-8")
    parts = mechanism_costs(run.config, LENGTH)
    return {
        "cell": run.cell.name,
        "seed": run.seed,
        "arch": run.arch,
        "flags": run.flags,
        "train_flags": run.cell.train_flags,
        "varied": list(run.cell.varied),
        "data_bin": str(run.data_bin.resolve()),
        "train": run.train,
        "evaluate": run.evaluate,
        "averaged": averaged,
        "checkpoints": checkpoints,
        "evaluation": evaluation,
        "scores": json.loads(scores),
        "length": LENGTH,
        "gmacs": sum(part.multiply_adds for part in parts) / GIGA,
        "parameters": sum(part.parameters for part in parts),
        "updates": _updates(load_checkpoint(run.save_dir / LAST)),
        "tokens_per_second": tokens_per_second(run.save_dir / files.TRAIN_LOG),
    }


def _step(command: Sequence[str], log: Path, variables: dict[str, str], stop: Event | None) -> None:
    code = run_command(command, log, environment=variables, stop=stop)
    if code:
        raise StepFailed(
            f"{command[2]} must succeed, but exited with {code}.\n"
            f"The end of {log.name}:\n\n{last_lines(log, _LAST_LINES)}"
        )


def run_command(
    command: Sequence[str], log: Path, *, environment: Mapping[str, str], stop: Event | None
) -> int:
    """Run ``python -m ...`` and append its output to ``log``; return its exit status.

    ``python`` is replaced by this interpreter. The command never outlives this function.

    Raises:
        Stopped: if ``stop`` was set meanwhile.
    """
    with log.open("ab") as output:
        # In a process group of its own, Ctrl-C reaches only this process, which stops the group.
        process = subprocess.Popen(
            [sys.executable, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            process_group=0,
            preexec_fn=die_with(os.getpid()),
        )
    try:
        return _wait(process, stop)
    finally:
        _terminate_group(process)


def _wait(process: subprocess.Popen[bytes], stop: Event | None) -> int:
    while stop is None or not stop.is_set():
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(None if stop is None else _POLL_INTERVAL)
            # SLURM signals all processes of a job at once: the command may die of the signal that
            # sets `stop` before this process has handled it.
            if code and stop is not None and stop.wait(_SIGNAL_DELAY):
                break
            return code
    raise Stopped


def _terminate_group(process: subprocess.Popen[bytes]) -> None:
    """If the command still runs, end it and its children by SIGTERM, then by SIGKILL."""
    if process.poll() is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
