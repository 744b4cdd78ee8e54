"""What every command of the package does with bad input: one sentence, a non-zero exit."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn


class UsageError(Exception):
    """Input that breaks a rule; the message is one sentence with the flag or file and the rule."""


def run(main: Callable[[], None]) -> NoReturn:
    """Run ``main`` and leave the process: 0, 1 after one line of error, or 130 when interrupted.

    If whoever reads its output went away, as ``head`` does, it leaves without a word and with 141,
    as a shell tells of tools that SIGPIPE ends. SIGTERM unwinds the stack like an interrupt, so
    that unfinished files are cleaned up.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        main()
        sys.stdout.flush()
    except UsageError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _reader_is_gone():
            # Else Python complains when it writes out the rest at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(128 + signal.SIGPIPE)
        # A full disk, a folder that may not be written, a file that is not there.
        place = f"{error.filename}: " if error.filename else ""
        sys.exit(f"error: {place}{error.strerror or error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)


def positive(flag: str) -> Callable[[str], int]:
    """Return what reads the value of ``flag``, a whole number of at least 1, for ``type=``.

    What it returns raises UsageError on anything else.
    """
    return at_least(1, flag)


def at_least(least: int, flag: str) -> Callable[[str], int]:
    """Return what reads the value of ``flag``, a whole number of at least ``least``, not below 0.

    What it returns raises UsageError on anything else.
    """

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or int(text) < least:
            raise UsageError(f"{flag} must be a whole number of at least {least}, but is {text!r}.")
        return int(text)

    return read


def _reader_is_gone() -> bool:
    """Whether it is the output that nobody reads, not a pipe to another process."""
    poll = select.poll()
    poll.register(sys.stdout, 0)  # an error is told unasked
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
