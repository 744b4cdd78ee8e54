"""Updates, speed and losses in the log of a training."""

from __future__ import annotations

from pathlib import Path

from attn_nmt.study.running.training_log import (
    Curves,
    curves,
    is_done,
    last_lines,
    tokens_per_second,
    updates,
)

SIMPLE = """\
2026 | INFO | train_inner | epoch 001:  5 / 9 loss=8.9, wps=100.5, ups=2, num_updates=5, lr=0.1
2026 | INFO | train_inner | epoch 001:  9 / 9 loss=8.6, wps=300, ups=2, num_updates=9, lr=0.1
2026 | INFO | train | epoch 001 | loss 8.1 | wps 9999 | ups 7.3 | num_updates 9 | lr 0.1
"""
JSON = """\
2026 | INFO | train_inner | {"epoch": 1, "loss": "8.9", "wps": "120", "num_updates": "500"}
2026 | INFO | train_inner | {"epoch": 1, "loss": "8.9", "wps": "80.5", "num_updates": "600"}
2026 | INFO | train_inner | {"epoch": 1, "loss": "8.9", "wps": "90", "num_updates": "700"}
"""


def test_the_speed_is_the_median_of_train_inner(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(SIMPLE)
    assert tokens_per_second(log) == (100.5 + 300) / 2
    log.write_text(JSON)
    assert tokens_per_second(log) == 90


def test_the_last_updates_are_found_at_the_end_of_a_long_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for text, count in ((SIMPLE, 9), (JSON, 700)):
        log.write_text(text.replace("num_updates", "other") * 1000 + text)
        assert updates(log) == count


def test_a_training_is_done_when_its_last_line_says_so(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(SIMPLE)
    assert not is_done(log)
    log.write_text(SIMPLE + "2026 | INFO | fairseq_cli.train | done training in 3.0 seconds\n")
    assert is_done(log)
    with log.open("a") as file:
        file.write("2026 | INFO | fairseq.trainer | begin training epoch 1\n" + SIMPLE)
    assert not is_done(log)


def test_a_missing_log_has_no_values(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert (updates(log), tokens_per_second(log), is_done(log)) == (0, None, False)
    assert curves(log) == Curves()
    log.write_text("one\ntwo\nthree")
    assert (updates(log), tokens_per_second(log)) == (0, None)
    assert last_lines(log, 2) == "two\nthree"


VALID_SIMPLE = (
    "2026 | INFO | valid | epoch 001 | valid on 'valid' subset | nll_loss 6.5 | loss 7.25 "
    "| ppl 90.5 | wps 9 | num_updates {at} | best_loss 1.5\n"
)
VALID_JSON = (
    '2026 | INFO | valid | {{"epoch": 1, "valid_loss": "7.25", "valid_nll_loss": "6.5", '
    '"valid_num_updates": "{at}", "valid_best_loss": "1.5"}}\n'
)


def test_losses_belong_to_their_updates(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(VALID_SIMPLE.format(at=20) + SIMPLE + VALID_SIMPLE.format(at=9))
    losses = curves(log)
    assert losses == Curves({5: 8.9, 9: 8.6}, {9: 7.25, 20: 7.25})
    assert list(losses.validation) == [9, 20]
    log.write_text(VALID_JSON.format(at=500) + JSON)
    assert curves(log) == Curves({500: 8.9, 600: 8.9, 700: 8.9}, {500: 7.25})


def test_a_repeated_update_has_its_last_loss(tmp_path: Path) -> None:
    log = tmp_path / "log"
    again = "2026 | INFO | train_inner | epoch 001:  9 / 9 loss=7.5, wps=1, num_updates=9, lr=0.1\n"
    log.write_text(SIMPLE + again)
    assert curves(log).training == {5: 8.9, 9: 7.5}


def test_an_incomplete_last_line_is_not_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        SIMPLE + VALID_SIMPLE.format(at=9) + VALID_SIMPLE.format(at=12).partition("2 | best")[0]
    )
    assert curves(log).validation == {9: 7.25}
