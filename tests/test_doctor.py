"""The version conflicts that the doctor reports."""

from __future__ import annotations

import os

import pytest
import torch

from attn_nmt.doctor import device, find_conflicts, report

HEALTHY = {
    "attn_nmt": "0.1.0",
    "torch": "2.13.0+cpu",
    "numpy": "2.4.6",
    "fairseq-fixed": "0.12.3.1",
    "hydra-core": "1.3.2",
    "omegaconf": "2.3.0",
    "babel": None,
}


@pytest.mark.parametrize("torch", ["2.11.0", "2.12.1", "2.13.0+cpu"])
@pytest.mark.parametrize("python", ["3.11.7", "3.12.0"])
def test_supported_versions_have_no_conflict(python: str, torch: str) -> None:
    assert find_conflicts({**HEALTHY, "torch": torch}, python) == []


@pytest.mark.parametrize(
    ("package", "version", "sentence"),
    [
        ("torch", "2.10.0", "torch must be at least 2.11 and below 2.14, but is 2.10.0."),
        ("torch", "2.14.0", "torch must be at least 2.11 and below 2.14, but is 2.14.0."),
        ("numpy", "1.26.4", "numpy must be 2 or newer, but is 1.26.4."),
        ("hydra-core", "1.0.7", "fairseq needs hydra-core 1.3.2, but 1.0.7 is installed."),
        ("omegaconf", "2.3.1", "fairseq needs omegaconf 2.3.0, but 2.3.1 is installed."),
        ("fairseq-fixed", None, "fairseq-fixed is not installed."),
    ],
)
def test_each_conflict_is_one_sentence(package: str, version: str | None, sentence: str) -> None:
    assert find_conflicts({**HEALTHY, package: version}, "3.11.7") == [sentence]


def test_an_old_python_is_named() -> None:
    assert find_conflicts(HEALTHY, "3.8.10") == ["Python must be 3.11 or newer, but is 3.8.10."]


@pytest.mark.parametrize(("count", "shown"), [(1, "1 core, 1 thread"), (2, "2 cores, 2 threads")])
def test_the_device_is_described(monkeypatch: pytest.MonkeyPatch, count: int, shown: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: count)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert device() == f"CPU only, {shown} for PyTorch"


def test_what_the_study_needs_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    report()
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert {"matplotlib", "adjusttext", "jinja2", "scipy", "submitit"} <= listed
