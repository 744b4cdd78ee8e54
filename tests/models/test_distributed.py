"""PyTorch's DistributedDataParallel, which stops at any parameter without a gradient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.tiny_models import build, sentences

PRE_NORM = {"encoder_normalize_before": True, "decoder_normalize_before": True}
VARIANTS: dict[str, dict[str, Any]] = {
    "post-norm": {},
    **{
        f"pre-norm, cross {terms}": {"cross_attn_terms": terms, **PRE_NORM}
        for terms in ("0000", "0001", "0010", "0011", "1000")
    },
    "none": {"self_attn_terms": "none", **PRE_NORM},
    "0000": {"self_attn_terms": "0000", "context_broadcast": "scaled"},
    "dynamic": {"self_attn_type": "dynamic", "conv_kernel_sizes": "3"},
    "deformable": {"self_attn_terms": "0010", "deformable_kernel_size": 3},
}


def steps(rank: int, directory: str) -> None:
    """Two training steps of every variant; the second fails if the first left a gradient out."""
    meeting = f"file://{directory}/store"
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    for name, flags in VARIANTS.items():
        model = build(**flags, dtype=torch.float32).train()
        parallel = torch.nn.parallel.DistributedDataParallel(model)
        for step in range(2):
            # As fairseq pads; each process has sentences of its own.
            source, target = sentences(5, 5, seed=rank), sentences(4, 4, seed=rank + 2 * step)
            logits, _ = parallel(torch.stack(source), None, torch.stack(target))
            logits.log_softmax(-1)[..., 5].sum().backward()
        gradient = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
        torch.save(gradient, Path(directory) / f"{list(VARIANTS).index(name)}-{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="needs gloo")
def test_every_variant_trains_in_two_processes(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(steps, (str(tmp_path),), nprocs=2)
    for number in range(len(VARIANTS)):
        one, other = (torch.load(tmp_path / f"{number}-{rank}.pt") for rank in range(2))
        torch.testing.assert_close(one, other)
        assert one.abs().sum() > 0
