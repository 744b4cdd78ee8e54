"""Resumable steps: what was finished is skipped, what depends on a change is repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from attn_nmt.data.steps import Steps


def test_a_step_is_repeated_if_it_or_one_before_it_changed(tmp_path: Path) -> None:
    done: list[str] = []

    def run_steps(*settings: int) -> list[str]:
        done.clear()
        steps = Steps(tmp_path, total=2)
        for name, setting in zip("ab", settings, strict=True):

            def do(name: str = name) -> None:
                done.append(name)
                (tmp_path / name).write_text(name)

            steps.run(name, do, outputs=[name], settings=setting)
        return list(done)

    assert run_steps(1, 1) == ["a", "b"]
    assert run_steps(1, 1) == []
    assert run_steps(1, 2) == ["b"]
    assert run_steps(2, 2) == ["a", "b"]
    (tmp_path / "b").unlink()
    assert run_steps(2, 2) == ["b"]


def test_a_step_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        (tmp_path / "half").write_text("written")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Steps(tmp_path, total=1).run("a", fail, outputs=["half"], settings=None)
    assert list(tmp_path.iterdir()) == []
