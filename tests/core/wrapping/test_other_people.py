"""Four networks of other people's: each wrapped in at most 20 lines, each answering as the bare network does."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import pytorch_grad_cam
import torch
from pytorch_grad_cam.utils.image import scale_cam_image

import affectscope as afs
from affectscope.core.cli import analysis
from affectscope.core.explain import face_input
from affectscope.core.explain.methods import METHODS
from affectscope.core.features.extract import extract
from affectscope.core.features.sets import FEATURE_SETS
from affectscope.core.features.stored import arrays as stored
from affectscope.core.plugins import loading
from affectscope.core.streams import Batch, Stream
from affectscope.core.wrapping.declared import WRAPPED
from tests import other_people

CLIPS = ("held_s2026_00000", "held_s2026_00001")
NEAR = 1e-6
SPEECH = importlib.util.find_spec("transformers") is not None
NAMES = [name for name in other_people.MODELS.values() if SPEECH or name != "speech"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, afs.Model]]:
    """By name, loaded as `--plugin` does it."""
    folder = tmp_path_factory.mktemp("theirs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFFECTSCOPE_CACHE", str(folder / "cache"))
        patch.setenv(loading.NAMED, "")
        patch.setattr(loading, "_TRIED", {})
        patch.setattr(WRAPPED, "_entries", {})
        patch.setattr(stored, "BOUND", {})
        patch.setattr(FEATURE_SETS, "_entries", dict(FEATURE_SETS._entries))
        for plugin in other_people.prepare(folder, CLIPS, SPEECH).values():
            loading.name(str(plugin))
        assert loading.load() == ()
        yield {name: afs.load(name) for name in WRAPPED}


def streams(model: afs.Model, clip: str) -> dict[str, Stream]:
    media = afs.corpus("demo").media(clip)
    return model.analyzer.streams(extract(media, model.analyzer.store, sets=model.analyzer.sets))


def tensor(stream: Stream, *shape: int) -> torch.Tensor:
    """What a network is handed: the frames up to the last present one, with zeros for those that are not."""
    count = int(np.flatnonzero(stream.present)[-1]) + 1
    values = np.where(stream.present[:count, None], stream.values[:count], 0).astype(np.float32)
    return torch.from_numpy(values).view(1, count, *(shape or (values.shape[1],)))


def bare(name: str, given: dict[str, Stream], clip: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """What the person's own code answers [1, outputs] or [1, T, outputs], and its weights by layer."""
    if name == "gru":
        net = other_people.code("gru").GruWithAttention().eval()
        answer, weights, _ = net(torch.from_numpy(other_people.features(clip))[None])
        return answer, [weights.squeeze(-1)]
    if name == "cross-net":
        net = other_people.code("cnn").CrossNet().eval()
        mels, faces = tensor(given["audio"]), tensor(given["visual"], 3, 96, 96)
        audio, visual = net.mels(mels)[0], net.cnn(faces)
        return net(mels, faces), [net.attn(audio, visual, visual, average_attn_weights=False)[1]]
    if name == "affect-net":
        return other_people.code("affect").AffectNet().eval()(tensor(given["audio"]), tensor(given["visual"])), []
    heard = other_people.feature_extractor()(given["audio"].values.reshape(-1), sampling_rate=16_000, return_tensors="pt")
    net = other_people.wav2vec2()
    net.set_attn_implementation("eager")
    output = net(heard.input_values, output_attentions=True)
    return output.logits, list(output.attentions)


@pytest.fixture(autouse=True)
def seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their networks are as random as their weights were when they were saved."""
    for name, seed, kind in (("gru", 1, "GruWithAttention"), ("cnn", 2, "CrossNet"), ("affect", 3, "AffectNet")):
        module = other_people.code(name)
        made = getattr(module, kind)

        def build(made=made, seed=seed):
            torch.manual_seed(seed)
            return made()

        monkeypatch.setattr(module, kind, build)


@pytest.mark.parametrize("name", NAMES)
def test_numbers_are_the_bare_networks(models: dict[str, afs.Model], name: str) -> None:
    for number, clip in enumerate(CLIPS):
        given = streams(models[name], clip)
        spec = models[name].checkpoint.spec
        with torch.inference_mode():
            expected, weights = bare(name, given, number)
            output = models[name].checkpoint.model(Batch.collate([given], spec.inputs), attention=True)
        found = output.predictions[spec.heads[0]]
        assert found.shape == expected.shape
        assert (found - expected).abs().max() < NEAR
        for drawn, layer in zip(output.attention, weights, strict=False):
            if name == "cross-net":
                queries, keys = layer.shape[2:]
                assert (drawn.weights[..., :queries, :keys] - layer).abs().max() < NEAR
            else:
                # One row for all, or frames matched by proportion: rows keep their sums.
                assert torch.allclose(drawn.weights.sum(-1), torch.ones(()), atol=1e-5)
    assert len(output.attention) == sum(attention.layers for attention in spec.attention) >= 1


def test_pooling_weights_are_an_attention(models: dict[str, afs.Model]) -> None:
    lane = models["gru"].analyze(afs.corpus("demo").media(CLIPS[1])).lane("attention.visual.pooling")
    with torch.inference_mode():
        expected = bare("gru", {}, 1)[1][0][0].numpy()
    assert len(lane) == other_people.FRAMES
    np.testing.assert_allclose(lane.to_numpy()[:, 0], expected, atol=NEAR)


@pytest.mark.parametrize("name", NAMES)
def test_an_analysis_has_their_lanes(models: dict[str, afs.Model], name: str) -> None:
    result, spec = models[name].analyze(afs.corpus("demo").media(CLIPS[0])), models[name].checkpoint.spec
    lanes = [lane.id for lane in result.timeline.lanes]
    assert {f"attention.{attention.key}.{attention.name}" for attention in spec.attention} <= set(lanes)
    assert {f"prediction.{head}" for head in spec.heads} <= set(lanes)
    assert list(result.embeddings) == list(spec.embeddings)
    assert np.isfinite(result.predictions.to_numpy()).all()


def test_a_network_that_answers_by_frame_says_so_at_every_frame(models: dict[str, afs.Model]) -> None:
    result = models["affect-net"].analyze(afs.corpus("demo").media(CLIPS[0]))
    lane = result.lane("prediction.av")
    assert len(lane) == len(result.timeline.frame_times)
    assert lane.std().min() > 0
    assert result.predictions.loc["decision"].tolist() == pytest.approx(lane.mean().tolist(), abs=1e-5)


def test_grad_cam_of_their_cnn_is_what_pytorch_grad_cam_makes_of_the_bare_network(models: dict[str, afs.Model]) -> None:
    model = models["cross-net"]
    given = streams(model, CLIPS[0])
    net = other_people.code("cnn").CrossNet().eval()
    mels, faces = tensor(given["audio"]), tensor(given["visual"], 3, 96, 96)

    class OfFaces(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, faces: torch.Tensor) -> torch.Tensor:
            return self.net(mels, faces[None])

    with pytorch_grad_cam.GradCAM(OfFaces(), [net.cnn.layer2]) as library:
        expected = [library(faces[0], [lambda logits, c=c: logits[c]]) for c in range(len(model.labels))]
    batch = Batch.collate([given], model.checkpoint.spec.inputs)
    looks, (head,) = face_input.face_input_of("faces-96-rgb"), model.heads
    there = given["visual"].present[: faces.shape[1]]
    for place, ours in enumerate(expected):
        road = face_input.on_pixels(looks, model.checkpoint, given["visual"], batch, {head: place})
        # Ours takes each face as if alone; the library adds 1e-7 to what it divides by.
        found = METHODS["grad-cam"].maps(road)[0].numpy() / len(road.pixels)
        np.testing.assert_allclose(scale_cam_image(scale_cam_image(found, (96, 96))), ours[there], atol=1e-5)
    # With random weights some classes have nothing that speaks for them.
    assert sum(bool(frame.any()) for frame in expected) > 1


def test_who_can_be_looked_through_has_heatmaps_and_who_cannot_says_why(models: dict[str, afs.Model]) -> None:
    media = afs.corpus("demo").media(CLIPS[0])
    seen = models["cross-net"].analyze(media).timeline
    assert seen.heatmaps[0].values.max() == 255
    assert not seen.blind
    assert models["affect-net"].analyze(media).timeline.heatmaps[0].values.max() == 255
    blind = models["gru"].analyze(media).timeline
    assert blind.blind == {
        "visual": "nothing leads from its features (arrays that were made elsewhere, my-faces) back to the picture"
    }
    assert not blind.heatmaps


def test_a_network_that_no_gradient_goes_through_says_so(models: dict[str, afs.Model], monkeypatch: pytest.MonkeyPatch) -> None:
    model = models["cross-net"].checkpoint.model
    forward = type(model.network.cnn).forward
    monkeypatch.setattr(type(model.network.cnn), "forward", lambda self, x: forward(self, x).detach())
    timeline = models["cross-net"].analyze(afs.corpus("demo").media(CLIPS[0])).timeline
    assert timeline.blind == {"av": "no gradient of the answer reaches what is to be looked at"}


def test_each_is_wrapped_in_twenty_lines_at_most() -> None:
    counts = {
        path.stem: sum(bool(line.strip()) for line in path.read_text(encoding="utf-8").splitlines())
        for path in Path(other_people.HERE).glob("*_plugin.py")
    }
    assert len(counts) == 4
    assert max(counts.values()) <= 20, counts


def test_of_attributes_the_terminal_names_no_largest(models: dict[str, afs.Model], tmp_path: Path, capsys) -> None:
    media = afs.corpus("demo").media(CLIPS[0])
    asked = analysis.Asked(tmp_path, None, video=False)
    analysis.analyse_clip(models["affect-net"].checkpoint, media, asked, as_json=True)
    assert all(row.keys() == {"head", "evidence", "arousal", "valence"} for row in json.loads(capsys.readouterr().out))
    analysis.each(models["affect-net"].checkpoint, [media, media], asked, as_json=True)
    (row, _) = json.loads(capsys.readouterr().out)
    assert row["says"].startswith("arousal ")
    assert ", valence " in row["says"]
    assert row["probability"] is None
