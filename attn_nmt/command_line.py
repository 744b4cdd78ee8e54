"""What every command of the package does with bad input: one sentence, a non-zero exit status."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

_MAX_SHOWN = 80
_EXTRAS = {
    "data": ("babel", "num2words", "sacremoses", "sentencepiece", "subword_nmt"),
    "study": ("adjustText", "jinja2", "matplotlib", "scipy", "submitit", "yaml"),
    "fairseq": ("hydra", "omegaconf", "packaging", "regex", "sacrebleu", "sklearn", "tqdm"),
    "peers": ("ctranslate2",),
}
"""Of each extra of this package, what it imports by name."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, as from a scheduler."""


class UsageError(Exception):
    """Input that breaks a rule; the message is one sentence that names flag or file and rule."""


class FlagError(UsageError, ValueError):
    """A flag of a model that breaks its rule."""


def run(main: Callable[[], None]) -> NoReturn:
    """Run ``main`` and exit: with 0, with 1 after one line of error, or with 130 if interrupted.

    A package that is not installed is such an error, too.

    SIGTERM unwinds the stack like an interrupt, so that unfinished files are removed, and ends
    with 143. If the reader of its output has exited, as ``head`` does, it exits silently with 141,
    the status of tools that SIGPIPE kills.
    """
    signal.signal(signal.SIGTERM, _terminate)
    if "OMP_WAIT_POLICY" not in os.environ:
        # For the commands that it starts, as scripts/environment.sh says.
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    try:
        main()
        sys.stdout.flush()
    except UsageError as error:
        sys.exit(f"error: {error}")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "attn_nmt"):
            raise
        sys.exit(
            f"error: {package} must be installed for this command, but is not; attn-nmt doctor "
            f"lists what is missing, and {_installer(package)} installs it."
        )
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _reader_has_exited():
            # Otherwise Python reports an error when it flushes the rest at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(128 + signal.SIGPIPE)
        # A full disk, a missing file, a directory without write permission.
        sys.exit(f"error: {describe_os_error(error)}")
    except Terminated:
        print("terminated", file=sys.stderr)
        sys.exit(128 + signal.SIGTERM)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    sys.exit(0)


def _installer(package: str) -> str:
    """Return the command that installs a package, given the name by which it is imported."""
    if (Path(__file__).parents[1] / "scripts" / "setup.sh").is_file():
        return "scripts/setup.sh"
    if package == "fairseq":
        return "pip install --no-deps --no-build-isolation fairseq-fixed"
    extras = [extra for extra, packages in _EXTRAS.items() if package in packages]
    return f"pip install 'attn_nmt[{extras[0]}]'" if extras else f"pip install {package}"


def describe_os_error(error: OSError) -> str:
    """Return the file, if it is known, and what is wrong with it."""
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}"


def shown(value: object) -> str:
    """Return a value as an error shows it, at most a line of it."""
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def real(flag: str) -> Callable[[str], float]:
    """Return a parser of the value of ``flag``, any number, for ``type=``.

    It raises UsageError on anything else.
    """

    def read(text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise UsageError(f"{flag} must be a number, but is {text!r}.") from None

    return read


def positive(flag: str) -> Callable[[str], int]:
    """Return a parser of the value of ``flag``, a whole number of at least 1, for ``type=``.

    It raises UsageError on anything else.
    """
    return at_least(1, flag)


def at_least(least: int, flag: str) -> Callable[[str], int]:
    """Return a parser of the value of ``flag``, a whole number of at least ``least`` >= 0.

    It raises UsageError on anything else.
    """

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or int(text) < least:
            raise UsageError(f"{flag} must be a whole number of at least {least}, but is {text!r}.")
        return int(text)

    return read


def _reader_has_exited() -> bool:
    """Return whether standard output is the broken pipe, and not a pipe to another process."""
    poll = select.poll()
    poll.register(sys.stdout, 0)  # POLLERR is reported without being requested
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _terminate(signum: int, frame: FrameType | None) -> NoReturn:
    raise Terminated
