"""Whether every mechanism is right on this GPU: the same models on the CPU and on the GPU.

The yardstick for rounding is stock fairseq: in each type, the error of our models may be a few
times that of its Transformer with the same widths. From top to bottom: the models, the comparison
of one of them, the other checks, all of it.
"""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from fairseq.optim import adam
from fairseq.sequence_generator import SequenceGenerator
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

from attn_nmt.benchmarking.models import Model, build_on_cpu, dictionary
from attn_nmt.benchmarking.work import PAD, batch_of_tokens
from attn_nmt.fused_adam import FairseqAdam
from attn_nmt.progress import track

Measured = dict[str, Any]
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_ARCH = "attn_transformer_iwslt_de_en"
_SMALL = {"encoder_layers": 2, "decoder_layers": 2, "dropout": 0.0}
_VOCABULARY, _TOKENS, _LENGTH = 1000, 300, 12
STOCK = "stock transformer"
MECHANISMS: dict[str, dict[str, Any]] = {
    **{terms: {"self_attn_terms": terms} for terms in ("1111", "0111", "0110", "0011", "1000")},
    **{terms: {"self_attn_terms": terms} for terms in ("0100", "0010", "0001", "0000", "none")},
    "cross 0111": {"cross_attn_terms": "0111"},
    "cross 0010": {"cross_attn_terms": "0010"},
    "1111, span 5": {"self_attn_span": 5},
    "0010 + deformable": {"self_attn_terms": "0010", "deformable_kernel_size": 3},
    "dynamic": {"self_attn_type": "dynamic", "conv_kernel_sizes": "7"},
    "lightweight": {"self_attn_type": "lightweight", "conv_kernel_sizes": "7"},
    "broadcast, plain": {"context_broadcast": "plain"},
    "broadcast, scaled": {"context_broadcast": "scaled"},
}
_ALLOWED = 4.0
"""Times the error of stock fairseq."""
_NEGLIGIBLE = 8.0
"""Times the spacing of the type's numbers at 1: an error that is never too large."""
_LOSS_SCALE = 2.0**15
"""Keeps small gradients above the smallest number of float16, as trainings do."""


@dataclass(frozen=True)
class Errors:
    """How far the GPU is from the CPU: norms of the differences over the norms."""

    logits: float
    gradient: float
    score: float
    """Of the best hypotheses of a beam search."""
    same: float
    """Share of these hypotheses that are token for token the same."""

    def within(self, stock: Errors, dtype: torch.dtype) -> bool:
        """Whether each error is at most a few times that of stock fairseq, or of rounding."""
        negligible = _NEGLIGIBLE * torch.finfo(dtype).eps
        pairs = (
            (self.logits, stock.logits),
            (self.gradient, stock.gradient),
            (self.score, stock.score),
        )
        return all(own <= max(_ALLOWED * other, negligible) for own, other in pairs)


def model_of(name: str) -> Model:
    """Return a mechanism of the list, or stock fairseq, at the widths of iwslt_de_en."""
    ours = Model(_ARCH, {**_SMALL, **MECHANISMS.get(name, {})})
    return ours.baseline("transformer") if name == STOCK else ours


def compare(name: str, device: torch.device, dtype: torch.dtype) -> Errors:
    """Compare a model in float32 on the CPU with a copy in ``dtype`` on ``device``.

    Both have the weights that ``dtype`` can hold.
    """
    torch.manual_seed(1)
    words = dictionary(_VOCABULARY)
    reference = build_on_cpu(model_of(name), words).to(dtype).float()
    tested = copy.deepcopy(reference).to(device, dtype)
    source, target = batch_of_tokens(_TOKENS, _VOCABULARY)
    found, expected = (_work(model, words, source, target) for model in (tested, reference))
    return Errors(
        _distance(found.logits, expected.logits),
        _distance(found.gradient, expected.gradient),
        _distance(found.scores, expected.scores),
        sum(map(torch.equal, found.tokens, expected.tokens)) / len(expected.tokens),
    )


@dataclass(frozen=True)
class _Result:
    logits: Tensor
    gradient: Tensor
    scores: Tensor
    tokens: list[Tensor]


def _work(model: Any, words: Any, source: Tensor, target: Tensor) -> _Result:
    """Train a step without an optimizer, and search with a beam."""
    device = next(model.parameters()).device
    source, target = source.to(device), target.to(device)
    lengths = source.ne(PAD).sum(1)
    logits, _ = model.train()(source, lengths, target)
    loss = nn.functional.cross_entropy(
        logits.float().flatten(0, 1), target.flatten(), ignore_index=PAD
    )
    torch.autograd.backward(_LOSS_SCALE * loss)
    gradients = [p.grad.float().flatten() for p in model.parameters() if p.grad is not None]
    search = SequenceGenerator(
        [model.eval()], words, beam_size=4, max_len_a=0, max_len_b=_LENGTH, min_len=_LENGTH
    )
    with torch.no_grad():
        inputs = {"src_tokens": source, "src_lengths": lengths}
        best = [found[0] for found in search.generate([model], {"net_input": inputs})]
    return _Result(
        logits.detach().float().cpu(),
        torch.cat(gradients).cpu(),
        torch.stack([hypothesis["score"] for hypothesis in best]).float().cpu(),
        [hypothesis["tokens"].cpu() for hypothesis in best],
    )


def _distance(found: Tensor, expected: Tensor) -> float:
    """Return the norm of the difference over that of ``expected``; infinite if not finite."""
    distance = float((found - expected).norm() / expected.norm())
    return distance if found.isfinite().all() else float("inf")


def check_mechanisms(device: torch.device) -> Iterator[Measured]:
    """Yield a row for each mechanism and type; "right" is whether the errors are small."""
    for dtype in DTYPES:
        stock = compare(STOCK, device, dtype)
        for name in track((STOCK, *MECHANISMS), str(dtype).removeprefix("torch.")):
            errors = stock if name == STOCK else compare(name, device, dtype)
            yield {
                "model": name,
                "type": str(dtype).removeprefix("torch."),
                "logits": f"{errors.logits:.1e}",
                "gradient": f"{errors.gradient:.1e}",
                "score": f"{errors.score:.1e}",
                "same hypotheses": f"{errors.same:.0%}",
                "right": "yes" if errors.within(stock, dtype) else "no",
            }


def check_fused_adam(device: torch.device) -> float:
    """Return how far five steps of ``fused_adam`` are from those of fairseq's Adam on the CPU."""
    config = OmegaConf.structured(adam.FairseqAdamConfig(tpu=False, lr=[0.01]))
    parameters = []
    for make, place in ((FairseqAdam, device), (adam.FairseqAdam, torch.device("cpu"))):
        generator = torch.Generator().manual_seed(1)
        parameter = nn.Parameter(torch.randn(1000, generator=generator).to(place))
        optimizer = make(config, [parameter])
        for _ in range(5):
            parameter.grad = torch.randn(1000, generator=generator).to(place)
            optimizer.step()
        parameters.append(parameter.detach().cpu())
    return _distance(*parameters)


def check_compiled(device: torch.device) -> float:
    """Return how far the gradient of compiled layers is from that of the same model eagerly."""
    words, source, target = (dictionary(_VOCABULARY), *batch_of_tokens(_TOKENS, _VOCABULARY))
    results = []
    for compiled in (True, False):
        torch.manual_seed(1)
        flags = {**_SMALL, "compile_layers": compiled}
        model = build_on_cpu(Model(_ARCH, flags), words).to(device)
        results.append(_work(model, words, source, target).gradient)
    return _distance(*results)


def check_ddp(device_type: str, world_size: int) -> float:
    """Return how far the gradient of several processes is from that of one with all sentences.

    Every process has a GPU of its own, or all of them the CPU.
    """
    with tempfile.TemporaryDirectory() as directory:
        arguments = (world_size, device_type, directory)
        spawn(_ddp_process, arguments, world_size)  # type: ignore[no-untyped-call]
        return float(torch.load(Path(directory) / "distance"))


def _ddp_process(rank: int, world_size: int, device_type: str, directory: str) -> None:
    store = f"file://{os.path.join(directory, 'store')}"  # noqa: PTH118  a URL
    device = torch.device(device_type, rank) if device_type == "cuda" else torch.device("cpu")
    backend = "nccl" if device_type == "cuda" else "gloo"
    if device.type == "cuda":
        torch.cuda.set_device(device)
    torch.distributed.init_process_group(backend, store, rank=rank, world_size=world_size)
    torch.manual_seed(1)
    model = build_on_cpu(model_of("1111"), dictionary(_VOCABULARY)).to(device)
    source, target = (x.to(device) for x in batch_of_tokens(_TOKENS, _VOCABULARY))
    rows = len(source) // world_size * world_size
    expected = _gradient(copy.deepcopy(model), source[:rows], target[:rows])
    ours = slice(rank, rows, world_size)
    parallel = nn.parallel.DistributedDataParallel(model)
    found = _gradient(parallel, source[ours], target[ours])
    if rank == 0:
        torch.save(_distance(found, expected), Path(directory) / "distance")
    torch.distributed.destroy_process_group()


def _gradient(model: nn.Module, source: Tensor, target: Tensor) -> Tensor:
    """Return the gradient of a loss that is a mean over sentences, so that processes average it."""
    logits, _ = model(source, source.ne(PAD).sum(1), target)
    torch.autograd.backward(logits.float().square().mean((1, 2)).mean())
    gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return torch.cat(gradients).float().cpu()


@contextmanager
def exact_float32() -> Iterator[None]:
    """Switch off TF32, which would hide errors behind its own rounding."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def check_gpu(device: torch.device) -> Iterator[Measured]:
    """Yield the rows of all checks on ``device``: of each mechanism, then of the rest."""
    with exact_float32():
        yield from check_mechanisms(device)
        yield _other("`fused_adam` against fairseq's Adam, 5 steps", check_fused_adam(device))
        yield _other("`--compile-layers` against none, gradient", check_compiled(device))
        processes = torch.cuda.device_count() if device.type == "cuda" else 2
        if processes > 1:
            name = f"DDP, {processes} processes against one, gradient"
            yield _other(name, check_ddp(device.type, processes))


def _other(name: str, error: float) -> Measured:
    return {"check": name, "error": f"{error:.1e}", "right": "yes" if error <= 1e-5 else "no"}
