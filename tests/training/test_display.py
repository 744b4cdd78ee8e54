"""What is shown of a training, from a log that is written while the display follows it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.commandline import ROOT

from attn_nmt.child_log import reason
from attn_nmt.training.display import TrainingDisplay, read_values

LOG = """$ python -m fairseq_cli.train data-bin
2026-11-26 | INFO | fairseq.tasks.text_to_speech | Please install tensorboardX: pip install it
/lib/hydra/initialize.py:43: UserWarning: a thing to act on
2026-11-26 | INFO | fairseq_cli.train | {'_name': None, 'common': {'log_interval': 50}}
2026-11-26 | INFO | fairseq_cli.train | num. shared model params: 1,170,432 (num. trained: 3)
2026-11-26 | INFO | fairseq.trainer | detected shared parameter: a <- b
2026-11-26 | INFO | t | Loaded checkpoint /runs/checkpoint_last.pt (epoch 2 @ 40 updates)
2026-11-26 | INFO | fairseq_cli.train | Start iterating over samples
/lib/torch/amp.py:531: FutureWarning: deprecated
2026-11-26 | WARNING | fairseq.trainer | attempting to recover from OOM
2026-11-26 | WARNING | fairseq.trainer | attempting to recover from OOM
{inner}
{valid}
2026-11-26 | INFO | c | Saved checkpoint /runs/checkpoint_best.pt (epoch 2 @ 60 updates, score 8.6)
{train}
2026-11-26 | INFO | fairseq_cli.train | done training in 21.8 seconds
"""
SIMPLE = (
    "2026-11-26 | INFO | train_inner | epoch 002:     50 / 129 loss=10.128, nll_loss=10.015, "
    "ppl=1034.94, wps=8098.6, ups=3.02, num_updates=50, lr=0.0005, train_wall=16, wall=18",
    "2026-11-26 | INFO | valid | epoch 002 | valid on 'valid' subset | loss 8.695 | ppl 344.81 "
    "| bleu 12.3 | wps 25921 | num_updates 60",
    "2026-11-26 | INFO | train | epoch 002 | loss 9.921 | num_updates 60 | lr 0.0006 | wall 23",
)
JSON = (
    '2026-11-26 | INFO | train_inner | {"epoch": 2, "update": 1.4, "loss": "10.128", '
    '"wps": "8098.6", "num_updates": "50"}',
    '2026-11-26 | INFO | valid | {"epoch": 2, "valid_loss": "8.695", "valid_bleu": "12.3", '
    '"valid_num_updates": "60"}',
    '2026-11-26 | INFO | train | {"epoch": 2, "train_loss": "9.9", "train_num_updates": "60"}',
)


def text(lines: tuple[str, str, str]) -> str:
    inner, valid, train = lines
    return LOG.replace("{inner}", inner).replace("{valid}", valid).replace("{train}", train)


def shown(directory: Path, written: str, *, is_shown: bool = True) -> list[str]:
    """What is shown of a log that is written in pieces."""
    file = io.StringIO()
    log = directory / "train.log"
    log.write_text(text(SIMPLE))  # of an earlier start, which is not shown again
    with TrainingDisplay(directory, log, total=60, shown=is_shown, file=file) as display:
        for start in range(0, len(written), 100):
            with log.open("a") as output:
                output.write(written[start : start + 100])
            display.follow()
    return file.getvalue().splitlines()


@pytest.mark.parametrize("lines", [SIMPLE, JSON])
def test_shown_are_progress_scores_checkpoints_and_warnings(
    tmp_path: Path, lines: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attn_nmt.progress.Progress.time_left", lambda _: "3 s")
    assert shown(tmp_path, text(lines)) == [
        f"log: {tmp_path / 'train.log'}",
        "warning: a thing to act on",
        "model: 1,170,432 parameters",
        "resuming from checkpoint_last.pt: epoch 2, update 40",
        "warning: attempting to recover from OOM",
        "training: 50 of 60 updates, epoch 2, loss 10.128, 8,098 words/s, 3 s left",
        "validation at update 60: loss 8.695, BLEU 12.3",
        "saved checkpoint_best.pt at update 60",
        "trained to update 60 of 60 in 22 s",
    ]


def test_another_node_than_the_first_names_only_its_log(tmp_path: Path) -> None:
    assert shown(tmp_path, text(SIMPLE), is_shown=False) == [f"log: {tmp_path / 'train.log'}"]


def test_updates_are_counted_between_the_lines_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the lock of the directory; not by the one that an earlier training left."""
    monkeypatch.setattr("attn_nmt.training.display._LINE_INTERVAL", 0.0)
    report = f"""
from pathlib import Path
from attn_nmt.training import save_dir
save_dir.acquire(Path({str(tmp_path)!r}))
save_dir.report(Path({str(tmp_path)!r}), 7)
"""
    subprocess.run([sys.executable, "-c", report], check=True, cwd=ROOT)
    file = io.StringIO()
    log = tmp_path / "train.log"
    with TrainingDisplay(tmp_path, log, total=60, file=file) as display:
        display.follow()
        assert file.getvalue() == f"log: {log}\n"
        log.write_text("2026-11-26 | INFO | fairseq_cli.train | Start iterating over samples\n")
        display.follow()
    assert file.getvalue().splitlines()[1].startswith("training: 7 of 60 updates")


def test_a_line_between_those_of_the_log_has_no_old_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attn_nmt.training.display._LINE_INTERVAL", 0.0)
    monkeypatch.setattr("attn_nmt.progress.Progress.time_left", lambda _: "")
    reported = 50
    monkeypatch.setattr("attn_nmt.training.display.lock.reported", lambda _: reported)
    file = io.StringIO()
    log = tmp_path / "train.log"
    with TrainingDisplay(tmp_path, log, total=60, file=file) as display:
        log.write_text(f"| fairseq_cli.train | Start iterating over samples\n{SIMPLE[0]}\n")
        display.follow()
        reported = 55
        display.follow()
    assert list(dict.fromkeys(file.getvalue().splitlines()))[1:] == [
        "training: 50 of 60 updates, epoch 2, loss 10.128, 8,098 words/s",
        "training: 55 of 60 updates",
    ]


def test_the_least_loss_is_marked(tmp_path: Path) -> None:
    """Also after a resumption, where only fairseq knows whether it is."""

    def line(kind: str, loss: str, update: int) -> str:
        return f"2026 | INFO | {kind} | epoch 001 | loss {loss} | num_updates {update}"

    lines = [
        line("valid", "1.7", 1000),
        line("valid", "1.594", 2000) + " | best_loss 1.594",
        line("valid", "1.6", 3000) + " | best_loss 1.594",
        line("valid1", "2", 3000),
        line("valid1", "3", 4000),
    ]
    first = shown(tmp_path, "".join(f"{line}\n" for line in lines))
    assert first[1:] == [
        "validation at update 1,000: loss 1.700 (best)",
        "validation at update 2,000: loss 1.594 (best)",
        "validation at update 3,000: loss 1.600",
        "validation on valid1 at update 3,000: loss 2.000 (best)",
        "validation on valid1 at update 4,000: loss 3.000",
    ]
    resumed = "| Loaded checkpoint a/checkpoint_last.pt (epoch 2 @ 4000 updates)"
    more = [resumed, line("valid", "1.6", 5000), line("valid", "1.5", 6000) + " | best_loss 1.5"]
    assert shown(tmp_path, "".join(f"{line}\n" for line in more))[1:] == [
        "resuming from checkpoint_last.pt: epoch 2, update 4,000",
        "validation at update 5,000: loss 1.600",
        "validation at update 6,000: loss 1.500 (best)",
    ]


def test_a_line_that_is_no_json_has_no_values() -> None:
    assert read_values('{"loss": ') == {}
    assert read_values(json.dumps({"valid1_loss": 2})) == {"loss": "2"}


TRACEBACK = """Traceback (most recent call last):
  File "train.py", line 1, in <module>
"""


@pytest.mark.parametrize(
    ("log", "code", "sentence"),
    [
        ("INFO\nerror: --lr must be positive.\n", 1, "--lr must be positive."),
        ("usage: train.py\ntrain.py: error: argument --lr: no\n", 2, "argument --lr: no"),
        (f"{TRACEBACK}ValueError: too long\n", 1, "too long"),
        ("[rank1]: Exception: too long\n[rank1]:[W1126] destroyed\n", 1, "too long"),
        (f"{TRACEBACK}torch.OutOfMemoryError: CUDA\n", 1, "OutOfMemoryError: CUDA"),
        (
            f"{TRACEBACK}ValueError: too long\n{TRACEBACK}RuntimeError: Connection closed by peer\n"
            "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: 1\n",
            1,
            "too long",
        ),
        ("INFO | training\n", -9, "It was ended by SIGKILL, as Linux does when memory runs out."),
        ("INFO | training\n\n", 3, "INFO | training"),
        ("", 3, "It exited with 3 and without a message."),
    ],
)
def test_the_reason_of_a_failure_is_one_sentence(log: str, code: int, sentence: str) -> None:
    assert reason(log.splitlines(), code) == sentence


def test_a_training_without_time_left_says_so(tmp_path: Path) -> None:
    line = "| INFO | fairseq_cli.train | Stopping training due to {}\n"
    by_time = "cumulative_training_time: 0.33351 > stop_time_hours: 0.333 hour(s)"
    by_updates = "num_updates: 60 >= max_update: 60"
    found = shown(tmp_path, line.format(by_updates) + line.format(by_time))
    assert found[1:] == ["stopped by --stop-time-hours 0.333; more hours continue the training"]
