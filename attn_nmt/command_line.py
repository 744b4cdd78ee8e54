"""What every command of the package does with bad input: one sentence, a non-zero exit."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn


class UsageError(Exception):
    """Input that breaks a rule; the message is one sentence with the flag or file and the rule."""


def run(main: Callable[[], None]) -> NoReturn:
    """Run ``main`` and leave the process: 0, 1 after one line of error, or 130 when interrupted.

    SIGTERM unwinds the stack like an interrupt, so that unfinished files are cleaned up.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        main()
    except UsageError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
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


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
