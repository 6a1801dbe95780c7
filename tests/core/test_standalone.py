"""The file that is taken home: how large it is, and that nothing in it can become markup or ask for anything."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from affectscope.core import media
from affectscope.core.analyzer import Analyzer
from affectscope.core.checkpoints.saved import Checkpoint, Normaliser
from affectscope.core.export.answers import answers
from affectscope.core.models.auxformer import AuxFormer
from affectscope.core.standalone import Home, Model, clip_grid, compact, light, page, write
from affectscope.core.timeline.timeline import Matrix, Timeline
from affectscope.core.trust import tables
from tests.app import fake


def test_only_its_own_script_and_styles_may_run(tmp_path: Path) -> None:
    case = Home("x", b"clip", fake.timeline().to_bytes(), ())
    text = page(case)
    styles = re.findall("<style>(.*?)</style>", text, re.DOTALL)
    scripts = re.findall('<script type="module">(.*?)</script>', text, re.DOTALL)
    policy = html.unescape(re.findall('Content-Security-Policy" content="(.*?)"', text)[0])
    # The page's own sheet and the player's; there is no board.
    assert (len(styles), len(scripts)) == (2, 1)
    for own in (*styles, *scripts):
        assert f"'sha256-{base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()}'" in policy
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none';")
    assert not re.search(r"""(src|href)=["']?(https?:|//)""", text)


def test_three_seconds_of_a_paper_sized_model_stay_under_two_megabytes_more_than_the_clip(tmp_path: Path) -> None:
    clip = fake.clip(tmp_path / "clip.mp4", 3.0)
    torch.manual_seed(0)
    analyzer = Analyzer(Checkpoint(AuxFormer.preset("paper", visual_dim=135).eval(), Normaliser(), {}))
    analysis = analyzer.analyze(clip)
    grid = clip_grid(analyzer, clip).to_json()
    predictions = answers("paper", analyzer.checkpoint.spec, analysis.predictions, analysis.evidence)
    home = Home("clip", compact(clip), light(analysis.timeline), (Model(predictions, None, grid),))
    text = page(home)
    assert len(text.encode()) - clip.stat().st_size < 2e6
    assert len(predictions.heads) == len(analyzer.checkpoint.spec.heads) + 1


def test_a_heavy_timeline_keeps_the_means_of_its_cells() -> None:
    # 64 maps of 300 x 200 cells; in each the left half of the keys has 10 and the right half 30.
    values = np.tile(np.repeat([10, 30], 100), 300).astype(np.uint8)
    matrix = Matrix("m", "m", np.arange(300) / 100, np.arange(200) / 25, np.tile(values, (64, 1)), "audio", "visual", 8, 8)
    before = Timeline(8.0, np.zeros(0), np.zeros((0, 4)), matrices=(matrix,))
    (after,) = Timeline.from_bytes(light(before)).matrices
    cells = after.values.reshape(64, len(after.query_times), len(after.key_times))
    assert cells.shape == (64, 96, 96)
    # Eight cells of three keys and then of two: the hundredth key ends the forty-sixth cell.
    assert set(np.unique(cells[:, :, :46])) == {10}
    assert set(np.unique(cells[:, :, 46:])) == {30}
    np.testing.assert_allclose([after.key_times[0], after.key_times[-1]], [0.04, 7.94], atol=0.05)
    small = replace(before, matrices=())
    assert light(small) == small.to_bytes()


def test_a_large_clip_is_made_smaller_and_a_small_one_stays(tmp_path: Path, monkeypatch) -> None:
    clip = fake.clip(tmp_path / "clip.mp4", 0.4)
    assert compact(clip) == clip.read_bytes()
    rng = np.random.default_rng(0)
    noise = ((t / 25, rng.integers(0, 255, (1080, 1440, 3), np.uint8)) for t in range(8))
    large = tmp_path / "large.mp4"
    media.encode(large, noise, crf=10)
    assert large.stat().st_size > 3 << 20
    small = tmp_path / "small.mp4"
    small.write_bytes(compact(large))
    info = media.probe(small)
    assert small.stat().st_size < large.stat().st_size / 2
    assert (info.width, info.height, info.browser_playable) == (960, 720, True)
    assert info.duration == media.probe(large).duration


def test_the_page_says_how_far_its_explanation_can_be_trusted() -> None:
    spec = type("Spec", (), {"task": "classification", "heads": (), "labels": fake.CLASSES})
    predictions = answers("m", spec, {"decision": dict.fromkeys(fake.CLASSES, 0.1)}, {})
    measured = tables.rows(fake.trust("happiness", "av"))
    text = page(Home("x", b"clip", fake.timeline().to_bytes(), (Model(predictions, trust=measured),)))
    assert "<h2>Trust: high</h2>" in text
    assert text.count("<td>sound, attention</td>") == 1
    assert "<td>19 of 19</td>" in text
    untold = page(Home("x", b"clip", fake.timeline().to_bytes(), (Model(predictions),)))
    assert "Trust:" not in re.sub(r"<script.*?</script>", "", untold, flags=re.DOTALL)


def test_the_page_says_why_and_holds_the_numbers() -> None:
    why = fake.why(label="fear")
    spec = type("Spec", (), {"task": "classification", "heads": (), "labels": fake.CLASSES})
    predictions = answers("<b>m</b>", spec, {"decision": dict.fromkeys(fake.CLASSES, 0.1)}, {})
    home = Home("x", b"clip", fake.timeline().to_bytes(), (Model(predictions, why=why),))
    text = html.unescape(page(home)).replace("\N{NO-BREAK SPACE}", " ")
    assert "Happiness (90 %) is wrong (the label is fear): the sound alone says happiness (90 %), strongest at 0.5–1 s;" in text
    assert '<th scope="col">only together</th>' in text
    # ln(0.9 / 0.08), the odds of 0.9 against the other five classes at 0.02 less the one's own.
    assert f"<td>{why.modality.scores[0, -1]:+.2f}</td>" in text
    assert "<td>+0.40</td>" in text
    assert "Why" not in re.sub(r"<script.*?</script>", "", page(replace(home, models=(Model(predictions),))), flags=re.DOTALL)


def test_the_page_asks_why_of_what_was_analysed(monkeypatch) -> None:
    """The same class, the same map, the same track, and of several people the same face."""
    asked: dict = {}
    analyzer = SimpleNamespace(why=lambda media, **question: asked.update(question), checkpoint=None)
    analysis = SimpleNamespace(timeline=replace(fake.timeline(), face=2), predictions={}, evidence={}, familiar={}, explained={})
    for name, value in {"clip_grid": SimpleNamespace(to_json=str), "answers_of": None, "card_of": None, "compact": b""}.items():
        monkeypatch.setattr(write, name, lambda *_, value=value, **__: value)
    monkeypatch.setattr(write, "page", lambda home: home.title)
    write.page_of(analyzer, Path("a.mp4"), analysis, track=3, target="fear", explanation="grad-cam")
    assert {name: asked[name] for name in ("target", "track", "explanation", "face")} == {
        "target": "fear", "track": 3, "explanation": "grad-cam", "face": 2,
    }  # fmt: skip
