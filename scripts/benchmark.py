"""Time and memory against stock fairseq, and over the length of a sentence.

    python scripts/benchmark.py training attn1111_wmt_en_de attn0010_wmt_en_de
    python scripts/benchmark.py lengths

``training`` compares whole training steps with fairseq's ``transformer`` of the same widths and
vocabulary on the same batch: both in one process, a step of each in turn, the median of the ratios;
no absolute times. ``lengths`` runs one mechanism forward and backward over sentences of 64 to
4096 tokens and fits the exponents of time and memory. Peak memory is that of a process of its own,
or of the GPU.
"""

from __future__ import annotations

import ctypes
import json
import math
import multiprocessing
import statistics
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from torch import Tensor, nn
from tqdm import tqdm

Step = Callable[[], None]
STOCK = "transformer"
LENGTHS = (64, 128, 256, 512, 1024, 2048, 4096)
# Name -> class, arguments beside the width, and options.
MECHANISMS: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "0010": ("RelativeMultiheadAttention", (8,), {"terms": "0010"}),
    "0010, causal": ("RelativeMultiheadAttention", (8,), {"terms": "0010", "causal": True}),
    "deformable 3": ("DeformableConv1d", (3,), {}),
    "deformable 3, causal": ("DeformableConv1d", (3,), {"causal": True}),
    "dynamic 31": ("DynamicConv1d", (31,), {}),
    "dynamic 31, causal": ("DynamicConv1d", (31,), {"causal": True}),
    "lightweight 31": ("LightweightConv1d", (31,), {}),
    "lightweight 31, causal": ("LightweightConv1d", (31,), {"causal": True}),
    "broadcast": ("ContextBroadcast", (), {"scaled": True}),
    "broadcast, causal": ("ContextBroadcast", (), {"scaled": True, "causal": True}),
    "1111, span 31": ("RelativeMultiheadAttention", (8,), {"terms": "1111", "span": 31}),
    "0001": ("RelativeMultiheadAttention", (8,), {"terms": "0001"}),
    "1111": ("RelativeMultiheadAttention", (8,), {"terms": "1111"}),
}
# Sentences of a training batch, in tokens, as in captions and short news.
SHORTEST, LONGEST = 12, 25
FIRST_WORD, PAD, EOS = 4, 1, 2


def device() -> torch.device:
    """Return the GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def build(arch: str, like: str, vocabulary: int) -> Any:
    """Build ``arch`` as fairseq does; the stock model gets the widths of ``like``."""
    from fairseq.data import Dictionary
    from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY, build_model
    from omegaconf import OmegaConf

    import attn_nmt.models  # noqa: F401  registers the architectures
    from attn_nmt.models.config import AttnTransformerConfig

    words = Dictionary()
    for number in range(vocabulary - len(words)):
        words.add_symbol(str(number))
    task = Namespace(source_dictionary=words, target_dictionary=words, cfg=Namespace())
    flags = Namespace(share_all_embeddings=True)
    ARCH_CONFIG_REGISTRY[like if arch == STOCK else arch](flags)
    if arch == STOCK:
        ARCH_CONFIG_REGISTRY[STOCK](flags)
        return ARCH_MODEL_REGISTRY[STOCK].build_model(flags, task).to(device())
    values = {**vars(AttnTransformerConfig()), **vars(flags), "_name": arch}
    return build_model(OmegaConf.create(values), task).to(device())


def batch(tokens: int, vocabulary: int) -> tuple[Tensor, Tensor]:
    """Return source and target (B, L) with about that many target tokens, padded on the right."""
    generator = torch.Generator().manual_seed(1)
    lengths: list[int] = []
    while sum(lengths) < tokens:
        lengths.append(int(torch.randint(SHORTEST, LONGEST + 1, (), generator=generator)))
    sides = []
    for _ in range(2):
        rows = torch.randint(FIRST_WORD, vocabulary, (len(lengths), LONGEST), generator=generator)
        for row, length in zip(rows, lengths, strict=True):
            row[length - 1], row[length:] = EOS, PAD
        sides.append(rows.to(device()))
    return sides[0], sides[1]


def training_step(arch: str, like: str, tokens: int, vocabulary: int) -> Step:
    """Return a whole step of training: forward, loss, backward, Adam."""
    torch.manual_seed(1)
    model = build(arch, like, vocabulary).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    source, target = batch(tokens, vocabulary)
    lengths = source.ne(PAD).sum(1)

    def step() -> None:
        optimizer.zero_grad()
        logits, _ = model(source, lengths, target)
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1).float(), target.flatten(), ignore_index=PAD, label_smoothing=0.1
        )
        torch.autograd.backward(loss)
        optimizer.step()

    return step


def mechanism_step(name: str, length: int) -> Step:
    """Return forward and backward of one mechanism of Transformer-base over one sentence."""
    from attn_nmt import modules

    kind, arguments, options = MECHANISMS[name]
    torch.manual_seed(1)
    module = getattr(modules, kind)(512, *arguments, **options).to(device())
    x = torch.randn(length, 1, 512, device=device(), requires_grad=True)
    call = {"need_weights": False} if kind == "RelativeMultiheadAttention" else {}

    def step() -> None:
        output = module(x, **call)
        torch.autograd.backward((output[0] if call else output).sum())

    return step


def seconds(step: Step) -> float:
    """Time one call, waiting for the GPU."""
    _finish()
    start = time.perf_counter()
    step()
    _finish()
    return time.perf_counter() - start


def _finish() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def interleaved(steps: dict[str, Step], rounds: int) -> dict[str, list[float]]:
    """Time all steps in turn, so that a change of the machine's pace meets them alike."""
    for step in steps.values():
        step()
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in tqdm(range(rounds), desc="rounds"):
        for name, step in steps.items():
            times[name].append(seconds(step))
    return times


def peak_memory(make: Callable[..., Step], *arguments: Any) -> int:
    """Return the bytes that a first step adds to a fresh process, or the peak of the GPU."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_memory, (make, *arguments))


def _peak_memory(make: Callable[..., Step], *arguments: Any) -> int:
    step = make(*arguments)
    if torch.cuda.is_available():
        step()
        return torch.cuda.max_memory_allocated()
    # Writing 5 sets the peak of the resident memory back to what is resident now.
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    step()
    return _resident("VmHWM") - before


def _resident(field: str) -> int:
    """Return a line of Linux's /proc/self/status, in bytes."""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith(f"{field}:"))
    return 1024 * int(line.split()[1])


def exponent(lengths: Iterable[int], values: Iterable[float]) -> float:
    """Return the slope of a straight line through the logarithms."""
    xs, ys = [math.log(n) for n in lengths], [math.log(v) for v in values]
    return statistics.linear_regression(xs, ys).slope


def compare_training(options: Namespace) -> list[dict[str, Any]]:
    """Return a row an architecture, its time and memory in ratio to stock's."""
    size = (options.like or options.arch[0], options.tokens, options.vocabulary)
    stock, stock_memory = training_step(STOCK, *size), peak_memory(training_step, STOCK, *size)
    rows = []
    for arch in tqdm(options.arch, desc="architectures"):
        # One at a time beside stock: all of them at once would not fit into memory.
        times = interleaved({STOCK: stock, arch: training_step(arch, *size)}, options.rounds)
        ratios = [own / other for own, other in zip(times[arch], times[STOCK], strict=True)]
        memory = peak_memory(training_step, arch, *size)
        rows.append(
            {
                "arch": arch,
                "time": statistics.median(ratios),
                "memory": memory / stock_memory,
                "parameters": parameters(arch, *size),
            }
        )
    return rows


def parameters(arch: str, like: str, tokens: int, vocabulary: int) -> int:
    """Return how many a model has, embeddings included."""
    return sum(parameter.numel() for parameter in build(arch, like, vocabulary).parameters())


def keep_freed_memory() -> None:
    """Have the C library keep what is freed, as the GPU's allocator does.

    Otherwise it now and then gives large blocks back and the system clears them anew, which made a
    linear mechanism look like one of exponent 1.5.
    """
    trim_threshold, mmap_threshold, largest = -1, -3, 2**25
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it, others need not
    if mallopt is not None:
        mallopt(mmap_threshold, largest)
        mallopt(trim_threshold, 2**31 - 1)


def compare_lengths(options: Namespace) -> list[dict[str, Any]]:
    """Return a row a mechanism: exponents, and every length in ratio to the shortest."""
    keep_freed_memory()
    rows = []
    for name in options.only:
        memory = [
            peak_memory(mechanism_step, name, n) for n in tqdm(LENGTHS, desc=f"{name}, memory")
        ]
        times = interleaved({str(n): mechanism_step(name, n) for n in LENGTHS}, options.rounds)
        medians = [statistics.median(times[str(n)]) for n in LENGTHS]
        start = LENGTHS.index(options.fit_from)
        rows.append(
            {
                "mechanism": name,
                "time exponent": exponent(LENGTHS[start:], medians[start:]),
                "memory exponent": exponent(LENGTHS[start:], memory[start:]),
                **{f"memory {n}": m / memory[0] for n, m in zip(LENGTHS, memory, strict=True)},
                **{f"time {n}": m / medians[0] for n, m in zip(LENGTHS, medians, strict=True)},
            }
        )
    return rows


def markdown(rows: list[dict[str, Any]]) -> str:
    """Lay out rows as a table."""
    lines = [list(rows[0]), ["---"] * len(rows[0])]
    lines += [[f"{v:.2f}" if isinstance(v, float) else str(v) for v in r.values()] for r in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> None:
    """Read the command line, measure, and print the table and the JSON."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="steps of each (%(default)s)")
    commands = parser.add_subparsers(required=True)
    training = commands.add_parser("training", help="training steps against stock fairseq")
    training.add_argument("arch", nargs="+")
    training.add_argument("--like", help="whose widths stock gets; the first arch, if not given")
    training.add_argument("--tokens", type=int, default=2000, help="target tokens (%(default)s)")
    training.add_argument("--vocabulary", type=int, default=8000, help="symbols (%(default)s)")
    training.set_defaults(run=compare_training)
    lengths = commands.add_parser("lengths", help="each mechanism over 64 to 4096 tokens")
    lengths.add_argument(
        "--only", nargs="+", choices=MECHANISMS, default=list(MECHANISMS), help="which of them"
    )
    lengths.add_argument("--fit-from", type=int, default=512, choices=LENGTHS)
    lengths.set_defaults(run=compare_lengths)
    options = parser.parse_args()
    rows = options.run(options)
    print(markdown(rows), json.dumps(rows), sep="\n\n")


if __name__ == "__main__":
    main()
