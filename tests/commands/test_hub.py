"""A trained model from Python."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from fairseq import checkpoint_utils
from fairseq.file_io import PathManager
from support.commandline import copies, run_command

from attn_nmt import hub
from attn_nmt.command_line import UsageError


def test_it_translates_as_evaluate_does(
    data_bin: Path, trained: Path, evaluated: list[str]
) -> None:
    """Sentences of all lengths, in any order, blank ones between them."""
    expected = (trained / "evaluation-test" / "hypotheses.de").read_text("utf-8").splitlines()
    translator = hub.from_pretrained(trained, data_bin, device="cpu")
    sources = [line for line, _ in copies(2, 100)]
    found = translator.translate(["", *reversed(sources), "  "], max_tokens=200)
    assert found == ["", *reversed(expected), ""]
    assert translator.translate([]) == []


def test_the_checkpoint_names_its_data(trained: Path) -> None:
    translator = hub.from_pretrained(trained / "checkpoint_best.pt", device="cpu")
    assert translator.translate(["ba do  ki"]) == ["ba do ki"]


def test_a_sentence_that_is_too_long_is_refused(trained: Path) -> None:
    translator = hub.from_pretrained(trained, device="cpu")
    message = "^A sentence must have at most 1024 subwords, but 'ba ba .*' has 1100 instead.$"
    with pytest.raises(ValueError, match=message):
        translator.translate(["ba " * 1099])


def test_missing_data_is_named(trained: Path, tmp_path: Path) -> None:
    message = "^`data_bin` must be a directory, but /nowhere is not one.$"
    with pytest.raises(UsageError, match=message):
        hub.from_pretrained(trained, "/nowhere")
    with pytest.raises(UsageError, match="data_card.json must exist"):
        hub.from_pretrained(trained, tmp_path)


def test_data_that_was_moved_must_be_given(trained: Path, tmp_path: Path) -> None:
    state = torch.load(trained / "checkpoint_best.pt")
    state["cfg"]["task"]["data"] = "data/gone"
    torch.save(state, tmp_path / "moved.pt")
    message = "`data_bin` must be given, since .*moved.pt was trained on data/gone, which is not"
    with pytest.raises(UsageError, match=message):
        hub.from_pretrained(tmp_path / "moved.pt")


def test_several_paths_are_an_ensemble(trained: Path) -> None:
    best = trained / "checkpoint_best.pt"
    (one, *_), *_ = hub.from_pretrained(best, device="cpu").hypotheses(["ba do ki"])
    (two, *_), *_ = hub.from_pretrained([best, best], device="cpu").hypotheses(["ba do ki"])
    assert two.text == one.text and two.score == pytest.approx(one.score, abs=1e-4)
    with pytest.raises(UsageError, match="^`path` must be a checkpoint, but there is none.$"):
        hub.from_pretrained([])


def test_a_score_is_a_log_probability_over_a_power_of_the_length(trained: Path) -> None:
    translator = hub.from_pretrained(trained, device="cpu")
    found = {}
    for lenpen in (0.0, 1.0):
        ((best,),) = translator.hypotheses(["ba do ki"], beam=1, lenpen=lenpen)
        found[lenpen] = best
    length = len(found[0.0].target_tokens)
    assert found[0.0].target_tokens == found[1.0].target_tokens and length == 4
    assert found[1.0].score == pytest.approx(found[0.0].score / length)


def test_alignments_are_made_on_request_only(trained: Path) -> None:
    translator = hub.from_pretrained(trained, device="cpu")
    ((without,),), ((asked,),) = (
        translator.hypotheses(["ba do ki"], alignment=alignment) for alignment in (False, True)
    )
    assert len(without.alignment) == 0 and len(asked.alignment) == len(asked.target_tokens)


def test_a_window_holds_a_sentence(trained: Path) -> None:
    translator = hub.from_pretrained(trained, device="cpu")
    with pytest.raises(ValueError, match="^`window` must be positive, but is 0 instead.$"):
        next(translator.hypotheses(["ba"], window=0))


def test_threads_that_load_at_once_get_their_own_weights(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = torch.load(trained / "checkpoint_best.pt")
    name = next(iter(state["model"]))
    paths = [tmp_path / f"{number}.pt" for number in range(2)]
    for number, path in enumerate(paths):
        state["model"][name] = torch.full_like(state["model"][name], number)
        torch.save(state, path)
    # fairseq asks for the path behind a path again when it is about to read.
    both, asked = threading.Barrier(2), threading.local()
    local_path, load = PathManager.get_local_path, torch.load

    def wait_for_the_other(path: str) -> str:
        asked.times = getattr(asked, "times", 0) + 1
        if asked.times == 2:
            both.wait(60)
        return str(local_path(path))

    monkeypatch.setattr(PathManager, "get_local_path", wait_for_the_other)
    with ThreadPoolExecutor(2) as threads:
        loaded = list(threads.map(checkpoint_utils.load_checkpoint_to_cpu, map(str, paths)))
    assert [float(found["model"][name].flatten()[0]) for found in loaded] == [0.0, 1.0]
    assert torch.load is load


def test_logging_stays_as_the_users_program_has_it() -> None:
    program = (
        "import logging\nfrom attn_nmt import hub\n"
        "print(logging.getLogger().level, logging.getLogger().handlers)"
    )
    assert run_command("python3", "-c", program).stdout == f"{logging.WARNING} []\n"


def test_an_error_of_the_users_own_program_keeps_its_traceback() -> None:
    program = "from attn_nmt import hub; raise PermissionError(13, 'Permission denied', '/own')"
    assert "Traceback" in run_command("python3", "-c", program, check=False).stderr


def test_a_string_is_one_sentence(trained: Path) -> None:
    translator = hub.from_pretrained(trained, device="cpu")
    assert translator.translate("ba do ki") == "ba do ki"
    assert translator.translate(line for line in ("ba", "ki")) == ["ba", "ki"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam": 0}, "^`beam` must be positive, but is 0 instead.$"),
        ({"max_tokens": -1}, "^`max_tokens` must be positive, but is -1 instead.$"),
        ({"lenpen": float("nan")}, "^`lenpen` must be finite, but is nan instead.$"),
    ],
)
def test_numbers_that_make_no_search_are_refused(
    trained: Path, options: dict[str, float], message: str
) -> None:
    translator = hub.from_pretrained(trained, device="cpu")
    with pytest.raises(ValueError, match=message):
        translator.translate("ba", **options)
