"""The one road, on a bundled clip and on files that lack something."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from affectscope.core import media
from affectscope.core.analyzer import Analyzer
from affectscope.core.cache.store import FeatureStore
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.corpora import bundled
from affectscope.core.errors import UserError
from affectscope.core.evaluation.grid import answer_to
from affectscope.core.export import files as export
from affectscope.core.features.extract import extract
from affectscope.core.models.auxformer import AuxFormer
from affectscope.core.perturbation import Perturbation
from tests.media_files import clip, malformed, tone
from tests.reference import SHARED


@pytest.fixture(scope="module")
def analyzer(tmp_path_factory) -> Analyzer:
    folder = tmp_path_factory.mktemp("analyzer")
    torch.manual_seed(0)
    checkpoints.save(folder / "random.safetensors", AuxFormer.preset("demo"), checkpoints.Normaliser(), {})
    features = bundled().features
    store = FeatureStore(folder / "store", [features] if features else [])
    return Analyzer(checkpoints.load(folder / "random.safetensors"), store)


@pytest.fixture(scope="module")
def bundled_clip() -> tuple[str, Path]:
    corpus = bundled()
    name = corpus.table.index[corpus.table["intensity"] == "high"][0]
    return name, corpus.media(name)


@pytest.fixture(scope="module")
def analysis(analyzer, bundled_clip):
    name, path = bundled_clip
    return analyzer.analyze(path, truth=bundled().truth(name))


def test_every_head_answers_and_every_lane_is_on_the_clips_clock(analysis):
    assert set(analysis.predictions) == {"av", "audio", "visual", "decision"}
    for probabilities in analysis.predictions.values():
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
    kinds = {lane.id: lane for lane in analysis.timeline.lanes}
    assert {"wave", "prediction.av", "prediction.audio", "prediction.visual", "truth.strength"} <= kinds.keys()
    assert {f"attention.{m}.{kind}" for m in ("audio", "visual") for kind in ("cross", "fused", "auxiliary")} <= kinds.keys()
    for lane in kinds.values():
        assert lane.values.shape == (len(lane.series), len(lane.times))
        assert (np.diff(lane.times) > 0).all()
        assert lane.times[0] >= 0
        assert lane.times[-1] <= analysis.timeline.duration + 0.1
    assert {event.lane for event in analysis.timeline.events} >= {"phonemes"}
    assert {m.id for m in analysis.timeline.matrices} == {"cross.audio", "cross.visual"}


def test_attention_lanes_sum_to_one_and_the_last_moment_is_the_answer(analysis):
    for lane in analysis.timeline.lanes:
        if lane.kind == "weights":
            np.testing.assert_allclose(np.nansum(lane.values, 1), 1, atol=1e-4)
            assert lane.layers * lane.heads == len(lane.series)
        if lane.kind == "probability":
            head = lane.id.split(".")[1]
            np.testing.assert_allclose(lane.values[:, -1], list(analysis.predictions[head].values()), atol=1e-5)


def test_heatmaps_cover_the_frames_and_explain_what_was_asked(analyzer, analysis, bundled_clip):
    assert {h.id for h in analysis.timeline.heatmaps} == {"av", "visual"}
    for heatmap in analysis.timeline.heatmaps:
        assert heatmap.values.shape == (len(analysis.timeline.frame_times), heatmap.height * heatmap.width)
        assert heatmap.values.max() == 255
        assert analysis.explained[heatmap.id] in heatmap.title
    asked = analyzer.analyze(bundled_clip[1], explain="fear")
    assert set(asked.explained.values()) == {"fear"}
    assert asked.key != analysis.key
    assert analyzer.key(bundled_clip[1], "fear") == asked.key


def test_the_same_clip_again_is_the_same_analysis(analyzer, analysis, bundled_clip):
    name, path = bundled_clip
    assert analyzer.analyze(path, truth=bundled().truth(name)).timeline.to_bytes() == analysis.timeline.to_bytes()


def test_a_clip_with_frames_taken_away_is_another_analysis_of_the_same_clip(analyzer, analysis, bundled_clip):
    name, path = bundled_clip
    truth = bundled().truth(name)
    change = Perturbation({"visual": 50, "audio": 80}, "tail")
    masked = analyzer.analyze(path, truth=truth, perturbation=change)
    assert masked.key == analyzer.key(path, truth=True, perturbation=change) != analysis.key
    assert analyzer.key(path, truth=True, perturbation=Perturbation(seed=9)) == analysis.key
    lane = next(lane for lane in masked.timeline.lanes if lane.id == "attention.visual.cross")
    seen = np.isfinite(lane.values[0])
    count = int(np.isfinite(analysis.timeline.boxes[:, 0]).sum())
    assert seen.sum() == int(count / 2 + 0.5)
    heat = {h.id: h.values.any(1) for h in masked.timeline.heatmaps}
    assert not heat["visual"][~seen].any()
    assert heat["visual"].any()
    (span,) = [event for event in masked.timeline.events if event.lane == "visual removed"]
    assert span.end == pytest.approx(analysis.timeline.duration, abs=0.05)
    answers = answer_to(analyzer.checkpoint, analyzer.streams(extract(path, analyzer.store)), change)
    assert list(masked.predictions["decision"].values()) == pytest.approx(answers["decision"], abs=1e-5)


def test_what_replaces_a_face_is_no_face_to_explain(analyzer, bundled_clip):
    change = Perturbation({"visual": 50}, "tail", imputation="zeros")
    masked = analyzer.analyze(bundled_clip[1], perturbation=change)
    lane = next(lane for lane in masked.timeline.lanes if lane.id == "attention.visual.cross")
    heat = masked.timeline.heatmaps[0].values.any(1)
    half = len(heat) // 2 + 1
    assert np.isfinite(lane.values[0][half:]).any()
    assert not heat[half:].any()


def test_json_csv_png_and_mp4_say_the_same(analysis, bundled_clip, tmp_path):
    content = json.loads(analysis.to_json())
    assert content["predictions"] == analysis.predictions
    assert len(content["frame_times"]) == len(content["face_boxes"]) == len(analysis.timeline.frame_times)
    rows = export.lanes_csv(analysis.timeline).splitlines()
    finite = sum(int(np.isfinite(lane.values).sum()) for lane in analysis.timeline.lanes)
    assert len(rows) == finite + 1
    assert export.frame_png(bundled_clip[1], analysis.timeline, 1.0).startswith(b"\x89PNG")
    done = []
    out = export.overlay(bundled_clip[1], analysis.timeline, tmp_path / "overlay.mp4", progress=done.append)
    info = media.probe(out)
    assert info.browser_playable
    assert info.sound_codec == "aac"
    assert info.duration == pytest.approx(analysis.timeline.duration, abs=0.1)
    assert done[-1] == pytest.approx(1, abs=0.05)


def test_paint_puts_the_heat_where_the_map_is(analysis):
    timeline = analysis.timeline
    picture = np.zeros((256, 256, 3), np.uint8)
    heatmap = timeline.heatmaps[0]
    index = int(np.nanargmax(heatmap.peaks))
    painted = export.paint(picture, timeline, index, heatmap, 1.0, 0.9)
    left, top, right, bottom = timeline.boxes[index]
    row, column = divmod(int(heatmap.values[index].argmax()), heatmap.width)
    x, y = left + (right - left) * (column + 0.5) / heatmap.width, top + (bottom - top) * (row + 0.5) / heatmap.height
    assert painted[int(y * 256), int(x * 256)].max() > 200
    assert picture.max() == 0


def test_no_face_no_sound_or_neither_is_a_notice(analyzer, tmp_path):
    no_face = analyzer.analyze(clip(tmp_path / "a.mp4", sound=tone(1)))
    assert any("No face" in notice for notice in no_face.notices)
    assert (no_face.evidence["visual"], no_face.evidence["audio"]) == (False, True)
    assert no_face.timeline.heatmaps == ()
    silent = analyzer.analyze(clip(tmp_path / "b.mp4", sound=tone(1, 0.0)))
    assert any("prior" in notice for notice in silent.notices)
    assert not any(silent.evidence.values())
    prior = analyzer.checkpoint.model.prior.softmax(0).tolist()
    assert list(silent.predictions["decision"].values()) == pytest.approx(prior)
    mute = analyzer.analyze(clip(tmp_path / "c.mp4"))
    json.loads(mute.to_json())


def test_malformed_files_are_one_sentence(analyzer, tmp_path):
    for path in malformed(tmp_path).values():
        with pytest.raises(UserError):
            analyzer.analyze(path)


@pytest.mark.skipif(not (SHARED / "clips").is_dir(), reason="the shared clips are not here")
@pytest.mark.parametrize("path", sorted((SHARED / "clips").glob("*.m*")), ids=lambda p: p.stem)
def test_real_clips(analyzer, path):
    analysis = analyzer.analyze(path)
    boxes, notices = analysis.timeline.boxes, " ".join(analysis.notices)
    if path.stem == "pyfeat_no_face":
        assert "No face was found" in notices
        assert analysis.evidence == {"av": True, "audio": True, "visual": False}
        return
    assert analysis.evidence["visual"]
    centre = np.nanmean(boxes, 0)
    assert 0.2 < (centre[0] + centre[2]) / 2 < 0.8
    if path.stem.startswith("02-"):
        assert "silent" in notices
        assert not analysis.evidence["audio"]
    if path.stem == "pyfeat_face_noface":
        gone = analysis.timeline.frame_times > 2.6
        assert np.isnan(boxes[gone, 0]).all()
        assert all(not h.values[gone].any() for h in analysis.timeline.heatmaps)
