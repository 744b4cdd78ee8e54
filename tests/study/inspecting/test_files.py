"""The page, the pictures and the arrays, read back."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from support.inspected import Page, pair, small_model

from attn_nmt.study.inspecting import pictures
from attn_nmt.study.inspecting.capture import Sentence, capture
from attn_nmt.study.inspecting.files import write_files, write_page
from attn_nmt.study.inspecting.panel_data import Panel
from attn_nmt.study.inspecting.panels import make_panels

HOSTILE = (
    """</script><script>document.title="hacked"</script>"><img src=x onerror=alert(1)>&\u2028$x$"""
)
FLAGS = {
    "encoder_self_attn_terms": "1111,0000",
    "cross_attn_terms": "0110",
    "decoder_self_attn_type": "dynamic",
    "deformable_kernel_size": 3,
    "context_broadcast": "plain",
    "conv_heads": 4,
    "conv_kernel_sizes": "5",
    "decoder_layers": 1,
}


@pytest.fixture(scope="module")
def panels() -> list[Panel]:
    sentence = pair()
    return make_panels(capture(small_model(**FLAGS), sentence.source, sentence.target), sentence)


ABOUT: dict[str, Any] = {
    "facts": {"arch": "tiny", "checkpoint": "run/last.pt"},
    "flags": {"--dropout": "0.1", "--hostile": HOSTILE},
}


def write(out: Path, panels: list[Panel], *, dump: bool = False) -> None:
    write_files(out, panels, pair(), dump=dump, **ABOUT)


def page_of(path: Path, panels: list[Panel], sentence: Sentence) -> Page:
    write_page(path, panels, sentence, pictures={}, **ABOUT)
    return Page(path)


@pytest.fixture(scope="module")
def figures() -> dict[str, Figure]:
    """The figures that ``written`` draws, by the paths of their panels."""
    return {}


@pytest.fixture(scope="module")
def written(
    panels: list[Panel], figures: dict[str, Figure], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out, draw = tmp_path_factory.mktemp("inspection"), pictures.draw

    def recording(panel: Panel) -> Figure:
        figures[panel.path] = draw(panel)
        return figures[panel.path]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "draw", recording)
        # The four kernels of the convolution take two rows, the second with empty places.
        patch.setattr(pictures, "_HEADS_PER_ROW", 3)
        write(out, panels, dump=True)
    return out


def test_the_energies_in_the_page_add_up_to_the_weights(written: Path) -> None:
    terms = {}
    for panel in Page(written / "index.html").panels:
        drawn = {picture["name"]: picture for picture in panel["pictures"]}
        energies = [np.array(p["values"]) for p in drawn.values() if p["kind"] == "energy"]
        if "weights" not in drawn:
            continue
        terms[panel["path"]] = len(energies)
        weights, blocked = (np.array(drawn["weights"][key]) for key in ("values", "masked"))
        total = sum(energies, np.zeros_like(weights))
        shown = np.exp(np.where(blocked, -np.inf, total))
        shown /= shown.sum(-1, keepdims=True)
        # Five digits of energies up to 10 or so, four of them.
        np.testing.assert_allclose(shown, weights, rtol=1e-3, atol=1e-5)
    assert list(terms.values()) == [4, 0, 2]


def test_the_page_holds_all_numbers(written: Path, panels: list[Panel]) -> None:
    for data, panel in zip(Page(written / "index.html").panels, panels, strict=True):
        assert (data["path"], data["notes"]) == (panel.path, list(panel.notes))
        for drawn, picture in zip(data["pictures"], panel.pictures, strict=True):
            np.testing.assert_allclose(drawn["values"], picture.values, rtol=1e-4)
            assert np.array_equal(drawn["masked"], picture.masked)
        if panel.arrows is not None:
            for key in ("offsets", "positions", "reads", "neighbours", "shares"):
                np.testing.assert_allclose(
                    data["arrows"][key], getattr(panel.arrows, key), rtol=1e-4
                )
        if panel.shares is not None:
            nats = np.concatenate([panel.shares.nats.mean(0)[None], panel.shares.nats])
            np.testing.assert_allclose(data["shares"]["nats"], nats, rtol=1e-4)
            parts = np.array(data["shares"]["parts"])
            np.testing.assert_allclose(parts, nats / nats.sum(-1, keepdims=True))


def test_terms_have_no_share_in_uniform_weights(panels: list[Panel], tmp_path: Path) -> None:
    panel = next(panel for panel in panels if panel.shares is not None)
    assert panel.shares is not None
    flat = replace(panel, shares=replace(panel.shares, nats=panel.shares.nats * 1e-9))
    page = page_of(tmp_path / "page.html", [flat], pair())
    assert page.panels[0]["shares"]["parts"] == [[None] * 4] * 3
    assert "query_key uniform" in " ".join(" ".join(text.split()) for _, text in page.texts)


def test_hostile_text_does_not_become_part_of_the_page(panels: list[Panel], tmp_path: Path) -> None:
    plain = page_of(tmp_path / "plain.html", panels, pair())
    hostile = replace(
        pair(HOSTILE, HOSTILE), source_tokens=[HOSTILE] * 6, target_tokens=[HOSTILE] * 5
    )
    sublayers = capture(small_model(**FLAGS), hostile.source, hostile.target)
    path = tmp_path / "hostile.html"
    page = page_of(path, make_panels(sublayers, hostile), hostile)

    def bare(one: Page) -> list[str]:
        return [tag for tag, _ in one.elements]

    assert bare(page) == bare(plain)
    assert not {"img", "iframe"} & set(bare(page))
    values = [text for tag, text in page.texts if tag in ("dd", "title", "code", "td")]
    assert sum(HOSTILE in text for text in values) == 4 + 6 + 5 + 5
    assert page.panels[1]["arrows"]["tokens"] == [HOSTILE] * 6
    text = path.read_text(encoding="utf-8")
    assert text.count("</script>") == 2


def test_the_page_loads_no_other_file_and_runs_no_other_script(written: Path) -> None:
    page = Page(written / "index.html")
    (policy,) = [
        attrs["content"] for tag, attrs in page.elements if tag == "meta" and "http-equiv" in attrs
    ]
    assert policy is not None and policy.startswith("default-src 'none'; ")
    text = (written / "index.html").read_text(encoding="utf-8")
    for kind, allowed in re.findall(r"(script|style)-src '(\S+)'", policy):
        inline = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        assert len(inline) == 1
        digest = base64.b64encode(hashlib.sha256(inline[0].encode()).digest()).decode()
        assert allowed == f"sha256-{digest}"
    loads = {"src", "srcset", "action", "data"}
    for tag, attrs in page.elements:
        assert not loads & set(attrs), tag
        assert tag != "link" and not any(name.startswith("on") or name == "style" for name in attrs)
    links = [attrs["href"] for tag, attrs in page.elements if tag == "a"]
    assert links and all(link and (written / link).is_file() for link in links)


def test_the_page_has_a_table_of_all_panels(written: Path, panels: list[Panel]) -> None:
    texts = Page(written / "index.html").texts
    text = " ".join(" ".join(text for _, text in texts).split())
    for panel in panels:
        assert f"{panel.part} {panel.layer} {panel.mechanism}" in text
        assert all(note in text for note in panel.notes)
    nats = next(panel.shares.nats for panel in panels if panel.shares is not None).mean(0)
    assert f"position_only {100 * nats[3] / nats.sum():.0f} %" in text


@pytest.mark.usefixtures("written")
def test_pictures_show_every_head(panels: list[Panel], figures: dict[str, Figure]) -> None:
    for panel in panels:
        if not panel.pictures:
            continue
        visible = [axes for axes in figures[panel.path].axes if axes.axison]
        shown = [axes.images[0].get_array() for axes in visible if axes.images]
        expected = [
            np.ma.masked_array(head, picture.masked)
            for picture in panel.pictures
            if not picture.is_derived
            for head in picture.values
        ]
        assert len(shown) == len(expected)
        for one, other in zip(shown, expected, strict=True):
            np.testing.assert_array_equal(np.ma.getmaskarray(one), np.ma.getmaskarray(other))
            np.testing.assert_allclose(np.ma.filled(one, 0), np.ma.filled(other, 0))


@pytest.mark.usefixtures("written")
def test_titles_are_whole_and_axes_have_names_and_units(
    panels: list[Panel], figures: dict[str, Figure]
) -> None:
    for panel in panels:
        if not panel.is_drawn:
            continue
        figure = figures[panel.path]
        FigureCanvasAgg(figure).draw()
        titles = [figure._suptitle, *(axes.title for axes in figure.axes)]  # type: ignore[attr-defined]
        for title in titles:
            box = title.get_window_extent()
            assert box.x0 >= 0 and box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height
        assert " ".join(titles[0].get_text().split()) == panel.title
        if panel.pictures:
            names = {
                " ".join(text.split())
                for axes in figure.axes
                for text in (axes.get_xlabel(), axes.get_ylabel())
            }
            drawn = [picture for picture in panel.pictures if not picture.is_derived]
            for picture in drawn:
                assert {picture.row_axis, picture.column_axis, picture.unit} <= names


@pytest.mark.usefixtures("written")
def test_pictures_show_every_arrow(panels: list[Panel], figures: dict[str, Figure]) -> None:
    drawn = [panel for panel in panels if panel.arrows is not None]
    assert len(drawn) == 3
    for panel in drawn:
        arrows: Any = panel.arrows
        drawn_arrows = [(text.xyann, text.xy) for text in figures[panel.path].axes[0].texts]
        length = len(arrows.tokens)
        assert drawn_arrows == [
            ((0, q), (1, min(length, max(-1, arrows.positions[q, m]))))
            for m in range(3)
            for q in range(length)
        ]


def test_every_picture_is_written(written: Path, panels: list[Panel]) -> None:
    names = {path.name for path in (written / "pictures").iterdir()}
    assert names == {f"{panel.path}.png" for panel in panels if panel.is_drawn}
    assert len(names) == 2 + 2 + 1 + 1 + 1 + 1
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in (written / "pictures").iterdir())


def test_the_arrays_are_read_back(written: Path, panels: list[Panel]) -> None:
    with np.load(written / "arrays.npz", allow_pickle=False) as npz:
        assert (
            str(npz["text"]) == "a text" and npz["source_tokens"].tolist() == pair().source_tokens
        )
        assert npz["input_tokens"].tolist() == ["</s>", *pair().target_tokens[:-1]]
        number = 5
        for panel in panels:
            number += len(panel.arrays)
            for name, values in panel.arrays.items():
                np.testing.assert_array_equal(npz[f"{panel.path}.{name}"], values)
        assert len(npz.files) == number
        terms = {"encoder.layers.0.self_attn": 4, "decoder.layers.0.encoder_attn": 2}
        for path, count in terms.items():
            energies = [npz[name] for name in npz.files if name.startswith(f"{path}.energy.")]
            total = torch.as_tensor(sum(energies))
            total = total.masked_fill(torch.as_tensor(npz[f"{path}.blocked"]), -torch.inf)
            np.testing.assert_allclose(total.softmax(-1), npz[f"{path}.weights"], rtol=0, atol=1e-9)
            assert len(energies) == count


def test_files_of_an_earlier_sentence_are_replaced(panels: list[Panel], tmp_path: Path) -> None:
    write(tmp_path, panels[:2], dump=True)
    assert (tmp_path / "pictures" / f"{panels[1].path}.png").is_file()
    own = tmp_path / "pictures" / "own.png"
    own.write_bytes(b"")
    write(tmp_path, [panels[0]])
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {
        "own.png",
        "alignment.png",
    }
    assert not (tmp_path / "arrays.npz").exists()


def test_an_error_leaves_the_earlier_files(
    panels: list[Panel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, panels[:1], dump=True)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}

    def full(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="no space left"):
        write(tmp_path, panels[:1], dump=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before
