"""Progress: a bar on a terminal, plain lines at intervals in a file."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest

from attn_nmt import progress
from attn_nmt.progress import MAX_WIDTH, Countdown, Progress, duration, track


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which only the test moves."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_short_work_prints_nothing_in_a_file() -> None:
    file = io.StringIO()
    assert list(track(range(1000), "copied", unit="lines", file=file)) == list(range(1000))
    assert file.getvalue() == ""


def test_long_work_prints_a_line_now_and_then_in_a_file(clock: list[float]) -> None:
    file = io.StringIO()
    for _ in track(range(4000), "copied", unit="lines", file=file):
        clock[0] += 0.25  # 1000 s in all
    assert file.getvalue().splitlines()[:2] == [
        "copied: 120 of 4,000 lines, 16 min left",
        "copied: 240 of 4,000 lines, 16 min left",
    ]
    assert file.getvalue().splitlines()[-1] == "copied: 3,960 of 4,000 lines, 10 s left"


def test_a_terminal_gets_a_bar() -> None:
    file = Terminal()
    for _ in track(range(3), "copied", unit="lines", file=file):
        pass
    assert "\r" in file.getvalue()
    assert "copied:   0%" in file.getvalue()


def test_of_work_in_fractions_only_the_whole_is_counted() -> None:
    for file in (io.StringIO(), Terminal()):
        with Progress("done", total=4, unit="runs", file=file) as progress:
            progress.move_to(1.643, whole=0)
            progress.refresh()
            progress.print_end()
        assert "1.64" not in file.getvalue()
        assert ("41%" if file.isatty() else "done: 0 of 4 runs") in file.getvalue()


def test_a_long_line_is_cut() -> None:
    file = io.StringIO()
    with Progress("x" * 5000, file=file) as progress:
        progress.print_line()
    assert file.getvalue() == f"{'x' * (MAX_WIDTH - 3)}...\n"


def test_the_time_left_never_grows_between_two_counts(clock: list[float]) -> None:
    countdown = Countdown(initial=50)
    assert countdown.seconds_left() is None
    clock[0] += 10
    countdown.update(60, 100)
    assert countdown.seconds_left() == 40
    for _ in range(30):
        clock[0] += 1
        countdown.update(60, 100)  # no more than before
    assert countdown.seconds_left() == 10
    clock[0] += 20
    assert countdown.seconds_left() == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5.4, "5 s"), (700, "12 min"), (11_100, "3 h 05 min"), (190_000, "2 d 4 h")],
)
def test_a_duration_is_said_in_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_nothing_else_shows_progress() -> None:
    """A bar of its own would be one long line in a file."""
    package = [*Path(progress.__file__).parent.rglob("*.py")]
    assert [path.name for path in package if "import tqdm" in path.read_text()] == ["progress.py"]
