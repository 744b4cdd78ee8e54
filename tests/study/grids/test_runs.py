"""A grid as commands that fairseq accepts, and the flags that are refused before anything runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fairseq import options

import attn_nmt
from attn_nmt.command_line import UsageError
from attn_nmt.models.architectures import SIZES
from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.study.grids.cells import GRIDS
from attn_nmt.study.grids.grid_files import read_grid
from attn_nmt.study.grids.runs import Run, plan_runs, require_train_flags
from attn_nmt.study.model_costs import mechanism_costs
from attn_nmt.training import options as training_options
from attn_nmt.training.command import build_commands
from attn_nmt.training.devices import Gpus, Nodes


def planned(name: str, **changes: Any) -> list[Run]:
    arguments: dict[str, Any] = {
        "size": "tiny",
        "seeds": [1, 2],
        "data_bin": Path("data bin"),
        "out": Path("runs") / name,
        "model_flags": {"share_all_embeddings": True, "dropout": 0.3},
        "train_flags": ["--lr", "0.5"],
        **changes,
    }
    return plan_runs(read_grid(name), **arguments)


@pytest.mark.parametrize("name", GRIDS)
def test_fairseq_parses_each_command_as_the_model_of_its_cell(name: str, tmp_path: Path) -> None:
    for lang in ("de", "en"):
        (tmp_path / f"dict.{lang}.txt").write_text("word 1\n")
    runs = planned(name, seeds=[7], data_bin=tmp_path)
    assert [run.cell for run in runs] == GRIDS[name]
    for run in runs:
        assert run.train[:3] == ["python", "-m", "attn_nmt.training"]
        no_gpu, one_node = Gpus(0, bf16=False), Nodes(1, 0, "127.0.0.1", 1)
        (command,) = build_commands(training_options.read(run.train[3:]), no_gpu, one_node)
        args = parsed_by_fairseq(list(command.argv[3:]))
        assert AttnTransformerConfig.from_mapping(args) == run.config
        assert (args.seed, args.lr, args.save_dir) == (7, [0.5], str(run.save_dir))
        assert args.user_dir == str(Path(attn_nmt.__file__).parent)
        assert args.data == str(tmp_path)
        assert (run.config.dropout, run.config.share_all_embeddings) == (0.3, True)


def parsed_by_fairseq(flags: list[str]) -> Any:
    return options.parse_args_and_arch(options.get_training_parser(), input_args=flags)


@pytest.fixture
def stock_grid(tmp_path: Path) -> Path:
    """fairseq's own model and one of ours, and data beside them."""
    for lang in ("de", "en"):
        (tmp_path / f"dict.{lang}.txt").write_text("word 1\n")
    path = tmp_path / "own.yaml"
    path.write_text(
        "base: {share_all_embeddings: true, dropout: 0.3}\n"
        'models: {"1000": {self_attn_terms: "1000", cross_attn_terms: "1000"}, '
        "stock: {arch: transformer}}\n"
    )
    return path


def test_fairseqs_own_model_has_the_widths_of_the_size(stock_grid: Path) -> None:
    changes = {"model_flags": {}, "seeds": [7], "data_bin": stock_grid.parent}
    ours, stock = planned(str(stock_grid), **changes)
    no_gpu, one_node = Gpus(0, bf16=False), Nodes(1, 0, "127.0.0.1", 1)
    (command,) = build_commands(training_options.read(stock.train[3:]), no_gpu, one_node)
    args = parsed_by_fairseq(list(command.argv[3:]))
    assert (args.arch, stock.arch) == ("transformer", "transformer")
    for side in ("encoder", "decoder"):
        for name, number in SIZES["tiny"].items():
            assert getattr(args, f"{side}_{name}") == number
    assert args.share_all_embeddings and args.dropout == 0.3
    # Its attention has the products of 1000.
    assert mechanism_costs(stock.config, 50) == mechanism_costs(ours.config, 50)
    assert set(stock.flags) - set(stock.cell.varied) == {"share_all_embeddings", "dropout"}
    require_train_flags(stock)


def test_mechanisms_of_ours_are_refused_for_fairseqs_own_model(stock_grid: Path) -> None:
    stock_grid.write_text("base: {self_attn_span: 5}\nmodels: {stock: {arch: transformer}}")
    (stock, _) = planned(str(stock_grid), model_flags={}, data_bin=stock_grid.parent)
    with pytest.raises(UsageError, match="^a flag must be a known name, but is '--self-attn-span'"):
        require_train_flags(stock)


def test_flags_of_the_training_vary_with_the_cell(tmp_path: Path) -> None:
    for lang in ("de", "en"):
        (tmp_path / f"dict.{lang}.txt").write_text("word 1\n")
    grid = tmp_path / "own.yaml"
    grid.write_text(
        "base: {fp16_no_flatten_grads: true, no_save: false, max_update: 7}\n"
        "vary: {lr: [0.002, 1e-4], adam_betas: ['(0.9, 0.98)', '(0.8, 0.9)'], "
        "warmup_updates: [3]}"
    )
    runs = planned(str(grid), seeds=[7], data_bin=tmp_path, train_flags=["--clip-norm", "2"])
    parsed = []
    for run in runs:
        require_train_flags(run)
        options = training_options.read(run.train[3:])
        (command,) = build_commands(options, Gpus(0, bf16=False), Nodes(1, 0, "127.0.0.1", 1))
        args = parsed_by_fairseq(list(command.argv[3:]))
        parsed.append((args.lr, args.adam_betas))
        assert (args.max_update, args.warmup_updates, args.clip_norm) == (7, 3, 2.0)
        assert args.fp16_no_flatten_grads and not args.no_save
    assert parsed == [
        ([lr], betas) for lr in (0.002, 1e-4) for betas in ("(0.9, 0.98)", "(0.8, 0.9)")
    ]
    assert str(runs[3].save_dir).endswith("/lr=0.0001+adam_betas=0.8,0.9+warmup_updates=3/seed7")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("vary: {lr: [0.1, 0.2]}", "--lr"),
        ("base: {batch_size: 3}", "--max-sentences=5"),
        ("base: {tokens_per_update: 9}", "--tokens-per-update"),
    ],
)
def test_a_flag_of_the_command_line_that_the_grid_sets_is_refused(
    tmp_path: Path, content: str, word: str
) -> None:
    grid = tmp_path / "own.yaml"
    grid.write_text(content)
    message = f"^{word} must be left out where the grid sets it, but is given.$"
    with pytest.raises(UsageError, match=message):
        planned(str(grid), train_flags=[word, "1"])


def test_a_model_may_have_fewer_seeds(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text('models: {"1111": {}, "0000": {self_attn_terms: "0000", seeds: 1}}')
    pairs = [(run.cell.name, run.seed) for run in planned(str(path), seeds=[4, 2])]
    assert pairs == [("1111", 4), ("1111", 2), ("0000", 4)]
    assert len(planned(str(path), seeds=[4])) == 2


def test_every_run_has_its_own_directory() -> None:
    runs = planned("table2")
    directories = [str(run.save_dir) for run in runs]
    assert directories[:3] == [
        "runs/table2/none/seed1",
        "runs/table2/none/seed2",
        "runs/table2/1111-deformable/seed1",
    ]
    assert len(set(directories)) == 36
    evaluation = ["python", "-m", "attn_nmt.evaluation", directories[2], "data bin"]
    assert runs[2].evaluate == [*evaluation, "--average", "5", "--or-best"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": [1, 2, 1]}, "^--seeds must have no number twice, but are 1 2 1.$"),
        ({"train_flags": ["--save-dir", "x"]}, "^--save-dir must be left out, .*, but is given.$"),
        ({"train_flags": ["--seed=3"]}, "^--seed=3 must be left out, .*, but is given.$"),
        *(
            ({"train_flags": [flag, "x"]}, f"^{flag} must be left out, .*, but is given.$")
            for flag in ("--arch", "-a", "--user-dir", "--nodes", "--node-rank", "--master")
        ),
        (
            {"train_flags": ["--dry-run"]},
            "^--dry-run must be left out, since `attn-nmt study plan` prints .*, but is given.$",
        ),
        (
            {"model_flags": {"self_attn_terms": "1111"}},
            "^--self-attn-terms must be left out where the grid sets it, but is '1111'.$",
        ),
        ({"model_flags": {"dropout": 2.0}}, "^--dropout must lie between 0 and 1, but is 2.0 .*$"),
        ({"size": "huge"}, "^--size must be one of tiny, .*, but is 'huge'; the nearest is .*$"),
    ],
)
def test_a_plan_that_breaks_a_rule_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        planned("table2", **changes)


@pytest.fixture
def run(planned_run: Run) -> Run:
    """A run whose data have dictionaries."""
    planned_run.data_bin.mkdir(parents=True)
    for lang in ("de", "en"):
        (planned_run.data_bin / f"dict.{lang}.txt").write_text("word 1\n")
    return planned_run


def with_flags(run: Run, line: str) -> Run:
    return replace(run, train=[*run.train[:-2], *line.split(), *run.train[-2:]])


@pytest.mark.parametrize(
    "line",
    [
        "--lr 0.1 --clip-norm=0.5",
        "--tokens-per-update 9 --precision fp32 --processes 2",
        "--optimizer nag --momentum 0.9",
        "--criterion cross_entropy",
        "--eval-bleu",
        "--cpu",
    ],
)
def test_flags_that_the_training_accepts_are_accepted(run: Run, line: str) -> None:
    require_train_flags(with_flags(run, line))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "--max-updates 5",
            "a flag must be a known name, but is '--max-updates'; the nearest is '--max-update'.",
        ),
        (
            "--tokens-per-updat=5",
            "a flag must be a known name, but is '--tokens-per-updat'; the "
            "nearest is '--tokens-per-update'.",
        ),
        (
            "--avrage 3",
            "a flag must be a known name, but is '--avrage'; the nearest is '--average'.",
        ),
        ("table3", "GRID must be one name, but 'table3' is given beside it."),
        (
            "--max-epoch many",
            "Flags that are passed on must be as fairseq-train takes them, but "
            "argument --max-epoch: invalid int value: 'many'.",
        ),
        (
            "--lr high",
            "Flags that are passed on must be as fairseq-train takes them, but "
            "argument --lr: invalid list value: 'high'.",
        ),
        ("--precision fp8", "--precision must be one of bf16, fp16, fp32, but is 'fp8'."),
    ],
)
def test_flags_with_which_every_training_would_fail_are_refused(
    run: Run, line: str, sentence: str
) -> None:
    with pytest.raises(UsageError) as refused:
        require_train_flags(with_flags(run, line), ["--average"])
    assert str(refused.value) == sentence
