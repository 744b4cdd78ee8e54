"""One run of one cell, from nothing or from where it was cut off to its result.

``run_cell`` needs no more than a :class:`Run`, which can be pickled: any executor can call it.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from attn_nmt.checkpoints import LAST, load_checkpoint
from attn_nmt.command_line import UsageError
from attn_nmt.study.grids.plan import Run
from attn_nmt.study.running import cell_files as files
from attn_nmt.study.running.child import Stopped, run_child
from attn_nmt.study.running.environment import environment
from attn_nmt.study.running.result import resolved_config, result, scored_checkpoints, updates_of
from attn_nmt.study.running.same_settings import require_same_commands, require_same_data
from attn_nmt.study.running.training_log import last_lines, says_done

_LAST_LINES = 30


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    state: str
    """"done" now, "kept" since it was finished before, or "failed"."""
    result: dict[str, Any] | None = None
    problem: str | None = None
    """One line, of a run that failed."""


class StepFailed(Exception):
    """A command of a run left with something else than 0, or the job that runs it died."""


def run_cell(run: Run, gpu: str | None = None, stop: Event | None = None) -> Outcome:
    """Train and score, unless that is done; a failure is an outcome, and is kept in the folder.

    Args:
        run: what to do, and where.
        gpu: the one to use, as in CUDA_VISIBLE_DEVICES; None leaves the choice as it is.
        stop: what ends the run early when it is set.

    Raises:
        Stopped: if it was set; the next call goes on from there.
    """
    try:
        run.save_dir.mkdir(parents=True, exist_ok=True)
        with files.only_one(run.save_dir):
            require_same_commands(run)
            return _keep_or_run(run, {} if gpu is None else _only(gpu), stop)
    except (UsageError, OSError) as error:
        # The folder is somebody else's, or cannot be written: nothing is left in it.
        return Outcome("failed", problem=str(error))


def _keep_or_run(run: Run, variables: dict[str, str], stop: Event | None) -> Outcome:
    before = finished(run)
    if before is not None:
        return before
    (run.save_dir / files.FAILURE).unlink(missing_ok=True)
    try:
        return Outcome("done", _run(run, variables, stop))
    except Stopped:
        raise
    except Exception as error:  # one cell must not take the others with it
        return failed(run, error)


def finished(run: Run) -> Outcome | None:
    """Return the outcome of a run that was finished before, or None.

    Raises:
        UsageError: if its result is none of this command.
    """
    found = files.read_result(run.save_dir)
    return None if found is None else Outcome("kept", found)


def _run(run: Run, variables: dict[str, str], stop: Event | None) -> dict[str, Any]:
    folder = run.save_dir
    require_same_data(run)
    files.write(folder / files.COMMAND, files.commands(run))
    files.write_json(folder / files.ENVIRONMENT, environment(run.data_bin, variables))
    if not is_trained(folder):
        _step(run.train, folder / files.TRAIN_LOG, variables, stop)
    files.write_json(folder / files.CONFIG, resolved_config(folder))
    averaged, checkpoints = scored_checkpoints(run)
    evaluate = run.evaluate if averaged else run.evaluate_one
    _step(evaluate, folder / files.EVALUATE_LOG, variables, stop)
    found = result(run, averaged, checkpoints)
    files.write_json(folder / files.RESULT, found)
    return found


def is_trained(folder: Path) -> bool:
    """Whether the training is at its end; fairseq-train, called again, would make an update more.

    The log says so, or, if the training was cut off between its last checkpoint and its last words,
    that checkpoint.
    """
    if not (folder / LAST).is_file():
        return False
    if says_done(folder / files.TRAIN_LOG):
        return True
    try:
        state = load_checkpoint(folder / LAST)
    except UsageError:  # cut short; the training mends it
        return False
    limit = state["cfg"]["optimization"]["max_update"]
    return bool(limit) and updates_of(state) >= limit


def _only(gpu: str) -> dict[str, str]:
    return {"CUDA_VISIBLE_DEVICES": gpu}


def _step(command: Sequence[str], log: Path, variables: dict[str, str], stop: Event | None) -> None:
    code = run_child(command, log, environment=variables, stop=stop)
    if code:
        raise StepFailed(
            f"{command[2]} must succeed, but left with {code}.\n"
            f"The end of {log.name}:\n\n{last_lines(log, _LAST_LINES)}"
        )


def failed(run: Run, error: Exception) -> Outcome:
    """Keep why a run failed; an error that nobody foresaw with where it arose."""
    foreseen = isinstance(error, StepFailed | UsageError | OSError)
    text = str(error) if foreseen else "".join(traceback.format_exception(error))
    run.save_dir.mkdir(parents=True, exist_ok=True)
    files.write(run.save_dir / files.FAILURE, text.rstrip() + "\n")
    # A traceback has the error last, a failed command the end of its log.
    return Outcome("failed", problem=text.strip().splitlines()[0 if foreseen else -1])
