"""The nodes that train together, from flags and from SLURM's environment."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from attn_nmt.command_line import UsageError
from attn_nmt.training.command import commands_by_node
from attn_nmt.training.devices import Nodes, find_nodes, first_slurm_host
from attn_nmt.training.options import Options, check_started_once, read

ONE_NODE = Nodes(1, 0, "127.0.0.1", 4321)
SLURM = {
    "SLURM_NNODES": "2",
    "SLURM_NODEID": "1",
    "SLURM_JOB_ID": "32000",
    "SLURM_JOB_NODELIST": "node[07-08]",
    "SLURM_STEP_NUM_TASKS": "2",
}


@pytest.fixture
def nodes(options: Callable[..., Options]) -> Callable[..., Nodes]:
    def find(flags: str = "", **environ: str) -> Nodes:
        hosts = {"node[07-08]": "node07", "step[1-2]": "step1"}
        return find_nodes(options(flags), environ, 4321, hosts.get)

    return find


def test_slurm_says_which_nodes_train_together(nodes: Callable[..., Nodes]) -> None:
    found = nodes(**SLURM)
    assert found == Nodes(2, 1, "node07", 15000 + 32000 % 15000)
    # The nodes of the step, not of the job; flags override both.
    assert nodes(**SLURM, SLURM_STEP_NODELIST="step[1-2]").host == "step1"
    by_flag = nodes("--master here:77", **SLURM)
    assert (by_flag.host, by_flag.port) == ("here", 77)
    by_address = {**SLURM, "SLURM_JOB_NODELIST": "?", "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.1"}
    assert nodes(**by_address).host == "10.0.0.1"
    assert nodes("--nodes 1", **SLURM) == ONE_NODE
    assert nodes("--nodes 2", **SLURM) == found


def test_flags_say_which_nodes_train_together(nodes: Callable[..., Nodes]) -> None:
    assert nodes() == ONE_NODE
    assert nodes("--nodes 2 --master a") == Nodes(2, None, "a", 29500)
    assert nodes("--nodes 2 --master a --node-rank 1") == Nodes(2, 1, "a", 29500)
    assert nodes("--nodes 2").rank is None


@pytest.mark.parametrize(
    ("flags", "environ", "message"),
    [
        ("--nodes 2 --node-rank 2", {}, "--node-rank must be below --nodes, 2, but is 2."),
        ("--nodes 2 --node-rank 1", {}, "--master must be given with --node-rank, but is not."),
        (
            "--nodes 2 --master a:b",
            {},
            "--master must be HOST or HOST:PORT, with a port of 1 to 65535, but is 'a:b'.",
        ),
        ("--nodes 3", SLURM, "--nodes must be the number of SLURM's nodes, 2, but is 3."),
        (
            "",
            {**SLURM, "SLURM_STEP_NUM_TASKS": "8"},
            "attn-nmt train must be started once per node (srun --ntasks-per-node=1), since it "
            "starts the processes itself, but SLURM_STEP_NUM_TASKS is 8 on 2 nodes.",
        ),
        (
            "",
            {"SLURM_NNODES": "1", "SLURM_STEP_NUM_TASKS": "4"},
            "attn-nmt train must be started once per node (srun --ntasks-per-node=1), since it "
            "starts the processes itself, but SLURM_STEP_NUM_TASKS is 4 on 1 nodes.",
        ),
        (
            "",
            {name: SLURM[name] for name in SLURM if "STEP" not in name},
            "attn-nmt train must be started by srun, once per node, but SLURM_STEP_NUM_TASKS "
            "is not set on 2 nodes.",
        ),
        (
            "",
            {**SLURM, "SLURM_JOB_NODELIST": "?"},
            "--master must be given where scontrol is missing, but is not.",
        ),
    ],
)
def test_contradictions_between_nodes_are_refused(
    nodes: Callable[..., Nodes], flags: str, environ: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError) as error:
        nodes(flags, **environ)
    assert str(error.value) == message


def test_the_printed_shell_commands_start_one_training_on_all_nodes(data_bin: Path) -> None:
    arguments = ["attn_transformer_tiny", str(data_bin), "a run", "--nodes", "2", "--lr", "0.1"]
    lines = commands_by_node(arguments, Nodes(2, None, "here", 29500), Path("/some where"))
    found = []
    for line in lines:
        change, start = (shlex.split(part) for part in line.split(" && "))
        assert change == ["cd", "/some where"]
        assert start[0] == "bash"
        assert Path(start[1]).is_file()
        on_node = read(start[2:])
        assert on_node.save_dir == Path("a run")
        found.append(find_nodes(on_node, {}, 4321, lambda nodelist: None))
    assert found == [Nodes(2, 0, "here", 29500), Nodes(2, 1, "here", 29500)]


@pytest.mark.parametrize("size", ["2", "16"])
def test_torchrun_around_train_sh_is_refused(size: str) -> None:
    check_started_once({})
    check_started_once({"WORLD_SIZE": "1"})
    message = (
        "attn-nmt train must be started once per node, since it starts the processes itself, "
        f"but WORLD_SIZE is {size}."
    )
    with pytest.raises(UsageError, match=f"^{message}$"):
        check_started_once({"WORLD_SIZE": size})


def test_scontrol_names_the_first_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert first_slurm_host("node[07-08]") is None
    scontrol = tmp_path / "scontrol"
    scontrol.write_text('#!/bin/sh\n[ "$1 $2 $3" = "show hostnames node[07-08]" ] && echo node07\n')
    scontrol.chmod(0o755)
    assert first_slurm_host("node[07-08]") == "node07"
    assert first_slurm_host("another") is None
