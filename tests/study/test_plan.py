"""``plan``: commands that fairseq would take, for the models that the costs are of."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from fairseq import options

import attn_nmt
from attn_nmt.command_line import UsageError
from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.study.__main__ import main
from attn_nmt.study.grids.named import GRIDS, grid
from attn_nmt.study.grids.plan import plan
from attn_nmt.training import command as training_command
from attn_nmt.training import options as training_options
from attn_nmt.training.devices import Gpus, Nodes


def planned(name: str, **changes: Any) -> Any:
    given: dict[str, Any] = {
        "size": "tiny",
        "seeds": [1, 2],
        "data_bin": Path("data bin"),
        "out": Path("runs") / name,
        "model_flags": {"share_all_embeddings": True, "dropout": 0.3},
        "train_flags": ["--lr", "0.5"],
        **changes,
    }
    return plan(grid(name), **given)


@pytest.mark.parametrize("name", GRIDS)
def test_fairseq_reads_each_command_as_the_model_of_its_cell(name: str, tmp_path: Path) -> None:
    for lang in ("de", "en"):
        (tmp_path / f"dict.{lang}.txt").write_text("word 1\n")
    runs = planned(name, seeds=[7], data_bin=tmp_path)
    assert [run.cell for run in runs] == GRIDS[name]
    for run in runs:
        assert run.train[:3] == ["python", "-m", "attn_nmt.training"]
        no_gpu, one_node = Gpus(0, bf16=False), Nodes(1, 0, "127.0.0.1", 1)
        (command,) = training_command.build_commands(
            training_options.read(run.train[3:]), no_gpu, one_node
        )
        args = fairseq_reads(list(command.argv[3:]))
        assert AttnTransformerConfig.from_mapping(args) == run.config
        assert (args.seed, args.lr, args.save_dir) == (7, [0.5], str(run.save_dir))
        assert args.user_dir == str(Path(attn_nmt.__file__).parent)
        assert args.data == str(tmp_path)
        assert (run.config.dropout, run.config.share_all_embeddings) == (0.3, True)


def fairseq_reads(flags: list[str]) -> Any:
    return options.parse_args_and_arch(options.get_training_parser(), input_args=flags)


def test_every_run_has_a_folder_of_its_own() -> None:
    runs = planned("table2")
    folders = [str(run.save_dir) for run in runs]
    assert folders[:3] == [
        "runs/table2/none/seed1",
        "runs/table2/none/seed2",
        "runs/table2/1111-deformable/seed1",
    ]
    assert len(set(folders)) == 36
    evaluation = ["python", "-m", "attn_nmt.evaluation", folders[2], "data bin"]
    assert runs[2].evaluate == [*evaluation, "--average", "5"]
    assert runs[2].evaluate_one == evaluation


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": [1, 2, 1]}, "^--seeds must have no number twice, but are 1 2 1.$"),
        ({"train_flags": ["--save-dir", "x"]}, "^--save-dir must be left out, .*, but is given.$"),
        ({"train_flags": ["--seed=3"]}, "^--seed=3 must be left out, .*, but is given.$"),
        ({"train_flags": ["--nodes", "2"]}, "^--nodes must be left out, .*, but is given.$"),
        (
            {"model_flags": {"self_attn_terms": "1111"}},
            "^--self-attn-terms must be left out where the grid sets it, but is '1111'.$",
        ),
        ({"model_flags": {"dropout": 2.0}}, "^--dropout must lie between 0 and 1, but is 2.0 .*$"),
        ({"size": "huge"}, "^--size must be one of tiny, .*, but is 'huge'; the nearest is .*$"),
    ],
)
def test_what_a_plan_refuses(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        planned("table2", **changes)


def test_the_command_prints_a_script_with_costs_and_runs_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text('vary: {self_attn_terms: ["0010", "1111"]}')
    line = f"plan {own} --size wmt_en_de --seeds 3 4 --data-bin bin --out {tmp_path}/runs --lr 0.1"
    monkeypatch.setattr(sys, "argv", ["study", *line.split(), "--adam-betas", "(0.9, 0.98)"])
    main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("# 4 trainings;")
    comments = [line for line in lines[1:] if line.startswith("#")]
    assert comments[1] == ("# self_attn_terms=1111: 2.738 G multiply-adds, 48,857,088 parameters")
    commands = [shlex.split(line, comments=True) for line in lines]
    commands = [words for words in commands if words]
    assert [words[0] for words in commands] == ["python"] * 8
    assert [words[2] for words in commands] == ["attn_nmt.training", "attn_nmt.evaluation"] * 4
    folder = f"{tmp_path}/runs/own/self_attn_terms=0010/seed4"
    assert commands[2][3:6] == ["attn_transformer_wmt_en_de", "bin", folder]
    assert commands[2][-6:] == ["--lr", "0.1", "--adam-betas", "(0.9, 0.98)", "--seed", "4"]
    assert commands[3][3:] == [folder, "bin", "--average", "5"]
    assert list(tmp_path.iterdir()) == [own]


def test_costs_takes_no_flags_of_fairseq(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["study", "costs", "--lr", "0.1"])
    with pytest.raises(UsageError, match="^--lr must be a flag of this command, but is unknown"):
        main()
