"""A run as a job of submitit: what is called on the node that SLURM chose."""

from __future__ import annotations

import os
import signal
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Event, Thread
from types import FrameType

from submitit.helpers import DelayedSubmission

from attn_nmt.study.grids.plan import Run
from attn_nmt.study.running.cell import Outcome, run_cell
from attn_nmt.study.running.child import Stopped

_SECONDS_TO_BE_KILLED = 600.0


class CellJob:
    """A call that trains and scores one run, and that can be put back into the queue.

    The work is done in a thread of its own, so that what Python does on a signal, in the main
    thread, can stop it in order and wait until it has stopped. A signal may come while another one
    is being handled: handlers only put it into a queue that allows this, where an Event would wait
    for itself; another thread sets the event.
    """

    def __init__(self, run: Run, gpu: str | None = None) -> None:
        """Keep what is sent to the node; ``gpu`` is as for ``run_cell``."""
        self.run, self.gpu = run, gpu
        self._stop = Event()
        self._told: SimpleQueue[int] = SimpleQueue()
        self._signal: int | None = None
        self._work: Thread | None = None
        self._end: Future[Outcome] = Future()

    def __reduce__(self) -> tuple[type[CellJob], tuple[Run, str | None]]:
        return CellJob, (self.run, self.gpu)

    def __call__(self) -> Outcome:
        """Return how the run ended; nothing at all if it was stopped from outside."""
        if self.gpu is not None:  # the environment that is kept tells of this process's device
            os.environ["CUDA_VISIBLE_DEVICES"] = self.gpu
        for sent in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sent, self._tell)
        Thread(target=self._stop_when_told, daemon=True).start()
        work = Thread(target=self._do)
        work.start()
        self._work = work
        work.join()
        try:
            return self._end.result()
        except Stopped:
            self._wait_to_be_killed()
            raise SystemExit("stopped from outside") from None

    def checkpoint(self) -> DelayedSubmission:
        """Stop the work and return what is to be put back into the queue.

        submitit calls this on SIGUSR2, which SLURM sends before the time is up or the node taken
        away; the job goes on from fairseq's last checkpoint.
        """
        self._told.put(signal.SIGUSR2)
        if self._work is not None:
            self._work.join()
        return DelayedSubmission(self)

    def _do(self) -> None:
        try:
            self._end.set_result(run_cell(self.run, self.gpu, self._stop))
        except BaseException as error:  # for the main thread, which submitit listens to
            self._end.set_exception(error)

    def _tell(self, signum: int, frame: FrameType | None) -> None:
        self._signal = signum
        self._told.put(signum)

    def _stop_when_told(self) -> None:
        self._told.get()
        self._stop.set()

    def _wait_to_be_killed(self) -> None:
        """After SIGTERM leave the rest to SLURM, which kills, or sends SIGUSR2 first.

        A job that left by itself would not be put back into the queue when it is preempted.
        """
        if self._signal == signal.SIGTERM:
            Event().wait(_SECONDS_TO_BE_KILLED)
