"""From options and devices to commands, for machines that the tests do not have."""

from __future__ import annotations

import itertools
import shlex
from pathlib import Path

import pytest

from attn_nmt.command_line import UsageError
from attn_nmt.training.devices import Gpus, Nodes, find_nodes
from attn_nmt.training.options import Options, check_started_once, read
from attn_nmt.training.plan import Command, commands_by_node, plan
from attn_nmt.training.recipe import batch_line, given, recipe, update_freq

ONE_NODE = Nodes(1, 0, "127.0.0.1", 4321)
CPU = Gpus(0, bf16=False)


@pytest.fixture
def data_bin(tmp_path: Path) -> Path:
    for lang in ("en", "de"):
        (tmp_path / f"dict.{lang}.txt").write_text("ba 1\n")
    return tmp_path


def options(data_bin: Path, *flags: str) -> Options:
    return read(["attn_transformer_tiny", str(data_bin), "run", *flags])


def value(command: Command, flag: str) -> str | None:
    return given(command.argv, flag)


@pytest.mark.parametrize(
    ("gpus", "node_count", "freq"),
    [(1, 1, "7"), (4, 1, "2"), (8, 1, "1"), (1, 2, "4"), (8, 2, "1")],
)
def test_gpus_are_started_by_torchrun_unless_there_is_one(
    data_bin: Path, gpus: int, node_count: int, freq: str
) -> None:
    nodes = Nodes(node_count, node_count - 1, "first", 1234)
    (command,) = plan(options(data_bin), Gpus(gpus, bf16=True), nodes)
    assert value(command, "--distributed-world-size") == str(gpus * node_count)
    assert value(command, "--update-freq") == freq
    assert command.environment == {}
    assert "--cpu" not in command.argv
    if gpus * node_count == 1:
        assert command.argv[1:3] == ("-m", "fairseq_cli.train")
        return
    end = command.argv.index("fairseq_cli.train")
    assert list(command.argv[1 : end + 1]) == [
        "-m", "torch.distributed.run", "--nnodes", str(node_count), "--node_rank",
        str(node_count - 1), "--nproc_per_node", str(gpus), "--master_addr", "first",
        "--master_port", "1234", "-m", "fairseq_cli.train",
    ]  # fmt: skip


def test_torchrun_accepts_what_is_planned(data_bin: Path) -> None:
    """Its own parser reads the flags: a misspelt one would only show on a machine with GPUs."""
    from torch.distributed.run import get_args_parser

    (command,) = plan(options(data_bin), Gpus(4, bf16=True), Nodes(2, 1, "first", 1234))
    start = command.argv.index("torch.distributed.run") + 1
    found = get_args_parser().parse_args(command.argv[start:])
    assert (found.nnodes, found.node_rank, found.nproc_per_node) == ("2", 1, "4")
    assert (found.master_addr, found.master_port) == ("first", 1234)
    assert (found.module, found.training_script) == (True, "fairseq_cli.train")
    assert found.training_script_args[0] == str(data_bin)


@pytest.mark.parametrize(
    ("bf16", "flags", "expected"),
    [
        (True, [], {"--bf16"}),
        (False, [], {"--fp16"}),
        (True, ["--precision", "fp16"], {"--fp16"}),
        (True, ["--precision", "fp32"], set()),
        (True, ["--fp16"], {"--fp16"}),
    ],
)
def test_gpus_compute_in_the_half_precision_they_have(
    data_bin: Path, bf16: bool, flags: list[str], expected: set[str]
) -> None:
    (command,) = plan(options(data_bin, *flags), Gpus(1, bf16=bf16), ONE_NODE)
    assert {"--bf16", "--fp16"} & set(command.argv) == expected


def test_one_process_on_the_cpu_is_fairseq_train_itself(data_bin: Path) -> None:
    (command,) = plan(options(data_bin), CPU, ONE_NODE)
    assert command.argv[1:3] == ("-m", "fairseq_cli.train")
    assert command.environment == {}
    assert not {"--bf16", "--fp16", "--distributed-backend"} & set(command.argv)


@pytest.mark.parametrize(("node_rank", "ranks"), [(0, ["0", "1", "2"]), (1, ["3", "4", "5"])])
def test_processes_on_cpus_know_their_rank(
    data_bin: Path, node_rank: int, ranks: list[str]
) -> None:
    chosen = options(data_bin, "--processes", "3")
    commands = plan(chosen, CPU, Nodes(2, node_rank, "first", 99))
    assert [value(command, "--distributed-rank") for command in commands] == ranks
    for command in commands:
        assert value(command, "--distributed-init-method") == "tcp://first:99"
        assert value(command, "--distributed-world-size") == "6"
        assert value(command, "--distributed-backend") == "gloo"
        assert value(command, "--ddp-backend") == "legacy_ddp"
        assert {"--cpu", "--distributed-no-spawn"} < set(command.argv)
        assert command.environment["OMP_NUM_THREADS"] == "1"


def test_fewer_gpus_than_visible_but_not_more(data_bin: Path) -> None:
    (command,) = plan(options(data_bin, "--processes", "2"), Gpus(4, bf16=True), ONE_NODE)
    assert value(command, "--nproc_per_node") == "2"
    message = (
        "--processes must be at most the number of visible GPUs, 4, but is 5; "
        "--cpu trains without them."
    )
    with pytest.raises(UsageError, match=f"^{message}$"):
        plan(options(data_bin, "--processes", "5"), Gpus(4, bf16=True), ONE_NODE)


@pytest.mark.parametrize(
    ("flags", "world_size", "expected"),
    [
        ([], 2, "4096 tokens x 2 devices x update-freq 4 = 32768 tokens an update (wanted 30000)"),
        ([], 1, "4096 tokens x 1 device x update-freq 7 = 28672 tokens an update (wanted 30000)"),
        ([], 9, "4096 tokens x 9 devices x update-freq 1 = 36864 tokens an update (wanted 30000)"),
        (["--max-tokens", "500", "--tokens-per-update", "3000"], 3,
         "500 tokens x 3 devices x update-freq 2 = 3000 tokens an update (wanted 3000)"),
        (["--update-freq", "3"], 1,
         "4096 tokens x 1 device x update-freq 3 = 12288 tokens an update"),
    ],
)  # fmt: skip
def test_the_size_of_an_update_is_as_near_as_can_be(
    data_bin: Path, flags: list[str], world_size: int, expected: str
) -> None:
    chosen = options(data_bin, *flags)
    line = batch_line(chosen, world_size)
    assert line == f"batch: {expected}; wpb in the log counts target words"
    assert f"update-freq {update_freq(chosen, world_size)} " in line


def test_update_freq_by_epoch_goes_through(data_bin: Path) -> None:
    chosen = options(data_bin, "--update-freq", "4,2")
    assert batch_line(chosen, 2) == "batch: 4096 tokens x 2 devices x update-freq 4,2"
    assert value(plan(chosen, CPU, ONE_NODE)[0], "--update-freq") == "4,2"


def test_the_recipe_is_that_of_the_paper(data_bin: Path) -> None:
    flags = recipe(options(data_bin))
    expected = {
        "--optimizer": "adam", "--adam-betas": "(0.9, 0.98)", "--adam-eps": "1e-9",
        "--weight-decay": "0.0", "--lr": "0.001", "--lr-scheduler": "inverse_sqrt",
        "--warmup-updates": "4000", "--warmup-init-lr": "1e-7", "--label-smoothing": "0.1",
        "--criterion": "label_smoothed_cross_entropy", "--dropout": "0.1", "--seed": "1",
        "--max-update": "100000", "--log-format": "simple", "--save-interval-updates": "1000",
        "--keep-interval-updates": "5",
    }  # fmt: skip
    assert {flag: given(flags, flag) for flag in expected} == expected
    switches = [flag for flag in flags if flag.startswith("--") and flag not in expected]
    assert switches == ["--no-epoch-checkpoints", "--share-all-embeddings"]


def test_a_flag_of_the_user_comes_later_and_wins(data_bin: Path) -> None:
    (command,) = plan(options(data_bin, "--lr", "0.5", "--seed=7"), CPU, ONE_NODE)
    assert value(command, "--lr") == "0.5"
    assert value(command, "--seed") == "7"
    assert "0.001" in command.argv


@pytest.mark.parametrize(
    ("flag", "choice", "gone"),
    [
        ("--optimizer", "nag", "--adam-betas"),
        ("--lr-scheduler", "fixed", "--warmup-init-lr"),
        ("--criterion", "cross_entropy", "--label-smoothing"),
        ("--keep-last-epochs", "3", "--no-epoch-checkpoints"),
    ],
)
def test_what_would_contradict_the_user_is_left_out(
    data_bin: Path, flag: str, choice: str, gone: str
) -> None:
    assert gone in recipe(options(data_bin))
    assert gone not in recipe(options(data_bin, flag, choice))
    assert gone not in recipe(options(data_bin, f"{flag}={choice}"))


def test_embeddings_are_shared_if_the_dictionaries_are_one(data_bin: Path) -> None:
    (data_bin / "dict.de.txt").write_text("do 1\n")
    assert "--share-all-embeddings" not in recipe(options(data_bin))
    (data_bin / "dict.de.txt").unlink()
    (data_bin / "dict.en.txt").unlink()
    with pytest.raises(UsageError, match=r"^DATA_BIN must hold dict.LANG.txt, which "):
        recipe(options(data_bin))


SLURM = {
    "SLURM_NNODES": "2", "SLURM_NODEID": "1", "SLURM_JOB_ID": "32000",
    "SLURM_JOB_NODELIST": "node[07-08]", "SLURM_STEP_NUM_TASKS": "2",
}  # fmt: skip


def nodes(data_bin: Path, *flags: str, **environ: str) -> Nodes:
    hosts = {"node[07-08]": "node07", "step[1-2]": "step1"}
    return find_nodes(options(data_bin, *flags), environ, 4321, hosts.get)


def test_nodes_of_slurm(data_bin: Path) -> None:
    found = nodes(data_bin, **SLURM)
    assert found == Nodes(2, 1, "node07", 15000 + 32000 % 15000)
    # The nodes of the step, not of the job; and those that flags name.
    assert nodes(data_bin, **SLURM, SLURM_STEP_NODELIST="step[1-2]").host == "step1"
    other = nodes(data_bin, "--master", "here:77", **SLURM)
    assert (other.host, other.port) == ("here", 77)
    by_address = {**SLURM, "SLURM_JOB_NODELIST": "?", "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.1"}
    assert nodes(data_bin, **by_address).host == "10.0.0.1"
    assert nodes(data_bin, "--nodes", "1", **SLURM) == ONE_NODE
    assert nodes(data_bin, "--nodes", "2", **SLURM) == found


def test_nodes_of_flags(data_bin: Path) -> None:
    assert nodes(data_bin) == ONE_NODE
    both = ("--nodes", "2", "--master", "a")
    assert nodes(data_bin, *both) == Nodes(2, None, "a", 29500)
    assert nodes(data_bin, *both, "--node-rank", "1") == Nodes(2, 1, "a", 29500)
    assert nodes(data_bin, "--nodes", "2").rank is None


@pytest.mark.parametrize(
    ("flags", "environ", "message"),
    [
        (["--nodes", "2", "--node-rank", "2"], {},
         "--node-rank must be below --nodes, 2, but is 2."),
        (["--nodes", "2", "--node-rank", "1"], {},
         "--master must be given with --node-rank, but is not."),
        (["--nodes", "2", "--master", "a:b"], {},
         "--master must be HOST or HOST:PORT, with a port of 1 to 65535, but is 'a:b'."),
        (["--nodes", "3"], SLURM, "--nodes must be the number of SLURM's nodes, 2, but is 3."),
        ([], {**SLURM, "SLURM_STEP_NUM_TASKS": "8"},
         "train.sh must be started once a node (srun --ntasks-per-node=1), since it starts the "
         "processes itself, but SLURM_STEP_NUM_TASKS is 8 on 2 nodes."),
        ([], {"SLURM_NNODES": "1", "SLURM_STEP_NUM_TASKS": "4"},
         "train.sh must be started once a node (srun --ntasks-per-node=1), since it starts the "
         "processes itself, but SLURM_STEP_NUM_TASKS is 4 on 1 nodes."),
        ([], {name: SLURM[name] for name in SLURM if "STEP" not in name},
         "train.sh must be started by srun, once on each node, but SLURM_STEP_NUM_TASKS is not set "
         "on 2 nodes."),
        ([], {**SLURM, "SLURM_JOB_NODELIST": "?"},
         "--master must be given where scontrol is missing, but is not."),
    ],
)  # fmt: skip
def test_contradictions_between_nodes_are_refused(
    data_bin: Path, flags: list[str], environ: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError) as error:
        nodes(data_bin, *flags, **environ)
    assert str(error.value) == message


def test_a_line_of_shell_for_each_node_leads_to_one_training(data_bin: Path) -> None:
    given_here = ["attn_transformer_tiny", str(data_bin), "a run", "--nodes", "2", "--lr", "0.1"]
    lines = commands_by_node(given_here, Nodes(2, None, "here", 29500), Path("/some where"))
    found = []
    for line in lines:
        change, start = (shlex.split(part) for part in line.split(" && "))
        assert change == ["cd", "/some where"]
        assert start[0] == "bash"
        assert Path(start[1]).is_file()
        there = read(start[2:])
        assert there.save_dir == Path("a run")
        found.append(find_nodes(there, {}, 4321, lambda nodelist: None))
    assert found == [Nodes(2, 0, "here", 29500), Nodes(2, 1, "here", 29500)]


@pytest.mark.parametrize("size", ["2", "16"])
def test_torchrun_around_it_is_refused(size: str) -> None:
    check_started_once({})
    check_started_once({"WORLD_SIZE": "1"})
    message = (
        "train.sh must be started once a node, since it starts the processes itself, "
        f"but WORLD_SIZE is {size}."
    )
    with pytest.raises(UsageError, match=f"^{message}$"):
        check_started_once({"WORLD_SIZE": size})


def test_values_between_other_flags_are_told_apart(data_bin: Path) -> None:
    """--max must not be taken for --max-tokens, and what is fairseq's keeps its order."""
    flags = ["--lr", "0.1", "--max-tokens", "9", "--adam-betas", "(0.9, 0.98)", "--max", "3"]
    chosen = options(data_bin, *flags)
    assert chosen.max_tokens == 9
    assert chosen.flags == ("--lr", "0.1", "--adam-betas", "(0.9, 0.98)", "--max", "3")
    pairs = list(itertools.pairwise(plan(chosen, CPU, ONE_NODE)[0].argv))
    assert ("--max-tokens", "9") in pairs
