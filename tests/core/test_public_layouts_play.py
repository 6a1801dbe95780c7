"""Checkpoints of the public layouts on a bundled clip: what is missing is said, and with weights or arrays at hand they play.

All weights are random, in the shapes of the public files; encoders are narrower inside than the published ones.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import efficientnet_b2

from affectscope.core.analyzer import Analyzer
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.checkpoints.untrusted import examine
from affectscope.core.corpora import bundled
from affectscope.core.errors import UserError
from affectscope.core.features import settings
from affectscope.core.features.own import described
from affectscope.core.features.taken import lacking
from affectscope.core.inference.corpus import infer
from affectscope.core.library.cards import read_card
from affectscope.core.models.inputs import Normaliser
from affectscope.core.models.vavl import VAVL, VAVLConfig
from tests import public_states
from tests.core.features.test_sets import small_vgg

CLIP = "held_s2026_00000"


@pytest.fixture(autouse=True)
def nothing_at_hand(monkeypatch, tmp_path):
    for name in ("AFFECTSCOPE_CACHE", "AFFECTSCOPE_DATA", "AFFECTSCOPE_WEIGHTS"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("AFFECTSCOPE_CONFIG", raising=False)


def public(folder: Path, shapes) -> Path:
    torch.save(public_states.filled(shapes), folder / "public.pt")
    report = examine(folder / "public.pt", folder / "own.safetensors")
    assert not report.error
    return folder / "own.safetensors"


def vavl(folder: Path) -> Path:
    torch.manual_seed(0)
    model = VAVL(VAVLConfig(variant="code", width=32, heads=4, layers=1, shared_layers=1, hidden=(16, 8))).eval()
    checkpoints.save(folder / "own.safetensors", model, Normaliser(), {"layout": "vavl"})
    return folder / "own.safetensors"


MADE = {
    "auxformer-v1": lambda folder: public(folder, public_states.auxformer(130, 130, 4096, layers=1)),
    "auxformer-v2": lambda folder: public(folder, public_states.auxformer(layers=1)),
    "vavl": vavl,
    "mult": lambda folder: public(folder, public_states.mult({"l": 300, "a": 74, "v": 35}, layers=1, memory=1)),
    "uavm": lambda folder: public(folder, public_states.uavm(1024, 1024)),
    "uavm as goncalves2025versatile": lambda folder: public(folder, public_states.uavm(1024, 1408)),
    "sfav": lambda folder: public(folder, public_states.sfav("ia")),
}
TAKEN = {
    "auxformer-v1": {"audio": "llds-32-16", "visual": "vgg-face"},
    "auxformer-v2": {"audio": "wav2vec2", "visual": "emoca-50"},
    "vavl": {"audio": "wav2vec2", "visual": "efficientnet-b2"},
    "mult": {"text": "glove", "audio": "covarep", "visual": "facet"},
    "uavm": {"audio": "convnext-audio", "visual": "convnext-visual"},
    "uavm as goncalves2025versatile": {"audio": "wav2vec2", "visual": "efficientnet-b2"},
    "sfav": {"audio": "mfcc-10", "visual": "efficientface"},
}


def vgg(folder: Path) -> Path:
    """As narrow as it may be, with as many features as published."""
    layers, fc6 = small_vgg(4096)
    state = {f"features.{key}": value for key, value in layers.state_dict().items()}
    state |= {f"classifier.0.{key}": value.detach() for key, value in fc6.state_dict().items()}
    save_file(state, folder / "vgg.safetensors")
    return folder / "vgg.safetensors"


def efficientnet(folder: Path) -> Path:
    torch.manual_seed(0)
    torch.save(efficientnet_b2().state_dict(), folder / "b2.pth")
    return folder / "b2.pth"


def wav2vec2(folder: Path) -> Path:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        hidden_size=1024, num_hidden_layers=1, num_attention_heads=16, intermediate_size=16, conv_dim=(8,) * 7, conv_bias=True,
        feat_extract_norm="layer", do_stable_layer_norm=True, num_conv_pos_embeddings=16,
    )  # fmt: skip
    torch.save(transformers.Wav2Vec2Model(config).state_dict(), folder / "final_wav2vec.pt")
    return folder / "final_wav2vec.pt"


WEIGHTS = {"vgg-face": vgg, "efficientnet-b2": efficientnet, "wav2vec2": wav2vec2}


def at_hand(name: str, folder: Path, dim: int) -> None:
    """Weights of a set where there are such, else arrays of a frame each tenth of a second."""
    if name in WEIGHTS:
        settings.tell_weights(name, WEIGHTS[name](folder))
    elif name not in ("llds-32-16", "mfcc-10"):
        (folder / name).mkdir()
        values = np.random.default_rng(0).normal(size=(20, dim)).astype(np.float32)
        np.save(folder / name / f"{CLIP}.npy", values)
        settings.tell_arrays(name, described(name, folder / name))


@pytest.mark.parametrize("kind", MADE)
def test_a_public_checkpoint_says_what_is_missing_and_plays_with_it(kind, tmp_path):
    if "llds" in TAKEN[kind]["audio"]:
        pytest.importorskip("opensmile", reason="openSMILE is not installed")
    path = MADE[kind](tmp_path)
    checkpoint = checkpoints.load(path)
    assert {m: checkpoint.sets[m] for m in checkpoint.spec.inputs} == TAKEN[kind]
    lacks = lacking(checkpoint.spec, checkpoint.sets)
    for name in TAKEN[kind].values():
        extracted = name in ("llds-32-16", "mfcc-10")
        assert (f"{name} for " in lacks) != extracted
        # Where its paper, or its public code, took it.
        if not extracted:
            assert "https://" in lacks or "CMU Multimodal SDK" in lacks
    assert "`affectscope features arrays " in lacks
    assert ("`affectscope features weights " in lacks) == any(name in WEIGHTS for name in TAKEN[kind].values())
    assert "meanwhile its card, its structure and `affectscope check` work" in lacks
    assert read_card(path).incompatible == lacks
    with pytest.raises(UserError) as raised:
        Analyzer(checkpoint)
    assert str(raised.value) == lacks
    for modality, name in TAKEN[kind].items():
        at_hand(name, tmp_path, checkpoint.spec.inputs[modality])
    assert read_card(path).incompatible == ""
    found = Analyzer(checkpoint).analyze(bundled().media(CLIP))
    assert all(found.evidence.values())
    assert all(np.isfinite(list(classes.values())).all() for classes in found.predictions.values())
    attention = [lane for lane in found.timeline.lanes if "attention" in lane.id]
    # VAVL's code attends over its batch, and has none to show over time.
    assert bool(attention) == (kind != "vavl")
    # A heatmap, or the reason why there is none, for each head.
    drawn = {heatmap.id for heatmap in found.timeline.heatmaps}
    for head in checkpoint.spec.heads:
        assert head in drawn or found.timeline.blind[head]


def test_the_answer_of_the_cache_is_of_these_weights_and_arrays(tmp_path):
    path = MADE["uavm as goncalves2025versatile"](tmp_path)
    for name, dim in (("wav2vec2", 1024), ("efficientnet-b2", 1408)):
        folder = tmp_path / name
        folder.mkdir()
        np.save(folder / f"{CLIP}.npy", np.ones((5, dim), np.float32))
        settings.tell_arrays(name, described(name, folder))
    media = bundled().media(CLIP)
    keys = [Analyzer(checkpoints.load(path)).key(media)]
    np.save(tmp_path / "wav2vec2" / f"{CLIP}.npy", np.zeros((5, 1024), np.float32))
    keys.append(Analyzer(checkpoints.load(path)).key(media))
    settings.tell_arrays("efficientnet-b2", None)
    settings.tell_weights("efficientnet-b2", efficientnet(tmp_path))
    keys.append(Analyzer(checkpoints.load(path)).key(media))
    torch.manual_seed(1)
    torch.save(efficientnet_b2().state_dict(), tmp_path / "b2.pth")
    keys.append(Analyzer(checkpoints.load(path)).key(media))
    assert len(set(keys)) == 4
    assert keys[-1] == Analyzer(checkpoints.load(path)).key(media)


def test_an_encoder_explains_what_went_through_it_alone(tmp_path):
    pytest.importorskip("opensmile", reason="openSMILE is not installed")
    path = MADE["auxformer-v1"](tmp_path)
    settings.tell_weights("vgg-face", vgg(tmp_path))
    media = bundled().media(CLIP)
    drawn = Analyzer(checkpoints.load(path)).analyze(media).timeline
    assert {heatmap.id for heatmap in drawn.heatmaps} == {"av", "visual"}
    (tmp_path / "arrays").mkdir()
    np.save(tmp_path / "arrays" / f"{CLIP}.npy", np.ones((9, 4096), np.float32))
    settings.tell_arrays("vgg-face", described("vgg-face", tmp_path / "arrays"))
    blind = Analyzer(checkpoints.load(path)).analyze(media).timeline
    assert not blind.heatmaps
    assert (
        blind.blind["visual"] == "nothing leads from its features (arrays that were made elsewhere, vgg-face) back to the picture"
    )


def test_a_corpus_is_asked_with_arrays_alone(tmp_path):
    path = MADE["mult"](tmp_path)
    corpus = bundled()
    for modality, name in TAKEN["mult"].items():
        folder = tmp_path / name
        folder.mkdir()
        for number, clip in enumerate(corpus.table.index[:3]):
            dim = {"text": 300, "audio": 74, "visual": 35}[modality]
            np.save(folder / f"{clip}.npy", np.full((10 + number, dim), 0.1 * (number + 1), np.float32))
        settings.tell_arrays(name, described(name, folder, rate=5))
    few = type(corpus)(**{**vars(corpus), "table": corpus.table.iloc[:4]})
    found = infer(checkpoints.load(path), few)
    assert list(found.table.index) == list(corpus.table.index[:3])
    assert found.present["text"].tolist() == [True] * 3
    assert len(found.broken) == 1
    assert str(corpus.table.index[3]) in found.broken[0]


@pytest.mark.parametrize("named", ["log-mel-9999", "vgg-face", 7, ["wav2vec2"], None])
def test_a_card_that_names_what_cannot_be_is_not_believed(tmp_path, named):
    model = VAVL(VAVLConfig(width=32, heads=4, layers=1, shared_layers=1, hidden=(16, 8))).eval()
    checkpoints.save(tmp_path / "own.safetensors", model, Normaliser(), {"features": {"audio": named}})
    assert checkpoints.load(tmp_path / "own.safetensors").sets["audio"] == "wav2vec2"


def test_what_a_person_says_goes_before_what_the_width_tells(tmp_path):
    path = MADE["uavm as goncalves2025versatile"](tmp_path)
    checkpoint = checkpoints.load(path)
    settings.tell_model(checkpoint.digest, {"audio": "convnext-audio"})
    assert checkpoint.sets["audio"] == "convnext-audio"
    assert read_card(path).incompatible.startswith("The model takes convnext-audio for audio (UAVM")
    settings.tell_model(checkpoint.digest, {})
    assert checkpoint.sets["audio"] == "wav2vec2"
