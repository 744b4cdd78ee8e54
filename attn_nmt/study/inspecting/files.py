"""What an inspection leaves in its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from attn_nmt.study.inspecting.dump import write_arrays
from attn_nmt.study.inspecting.page import write_page
from attn_nmt.study.inspecting.panel import Panel
from attn_nmt.study.inspecting.pictures import file_name, write_picture
from attn_nmt.study.inspecting.sentence import Sentence

PAGE, PICTURES, ARRAYS = "index.html", "pictures", "arrays.npz"


def write_files(
    out: Path,
    panels: Sequence[Panel],
    sentence: Sentence,
    *,
    facts: Mapping[str, str],
    flags: Mapping[str, str],
    dump: bool,
) -> None:
    """Write page, pictures and, with ``dump``, arrays, in place of those of an earlier sentence."""
    pictures = {panel.path: f"{PICTURES}/{file_name(panel)}" for panel in panels if panel.is_drawn}
    (out / PICTURES).mkdir(parents=True, exist_ok=True)
    # The page comes last: where it is new, everything is.
    for panel in panels:
        if panel.path in pictures:
            write_picture(out / pictures[panel.path], panel)
    if dump:
        write_arrays(out / ARRAYS, panels, sentence)
    write_page(out / PAGE, panels, sentence, facts=facts, flags=flags, pictures=pictures)
    _remove_earlier(out, {out / name for name in pictures.values()}, dump=dump)


def _remove_earlier(out: Path, written: set[Path], *, dump: bool) -> None:
    """Remove what belongs to an earlier sentence or model, and to no page any more."""
    for path in (out / PICTURES).glob("*coder.layers.*.png"):
        if path not in written:
            path.unlink()
    if not dump:
        (out / ARRAYS).unlink(missing_ok=True)
