"""A model asked about a few clips whose features are at hand: the table against what the model says of each by itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from affectscope.core.analysis.picking import score, worst_first
from affectscope.core.checkpoints.saved import Checkpoint, Normaliser
from affectscope.core.corpora import Corpus
from affectscope.core.errors import UserError
from affectscope.core.features.extract import Extraction
from affectscope.core.features.extractors.faces import FaceTrack
from affectscope.core.features.sets import FEATURE_SETS
from affectscope.core.features.stored.packed import default_folder
from affectscope.core.features.stored.packing import Packing
from affectscope.core.inference.corpus import PredictionTable, entropy, infer, inference_key
from affectscope.core.models.base import MODELS, AttentionMap, ModelOutput, over_clip
from affectscope.core.streams import Batch, Stream

LABELS = ("anger", "happiness", "sadness")


def stream(frames: int, dim: int, seed: int) -> Stream:
    values = np.random.default_rng(seed).normal(size=(frames, dim)).astype("f4")
    return Stream(values, np.arange(frames) / 25, np.ones(frames, bool))


@pytest.fixture
def few(tmp_path, monkeypatch):
    """Four clips, the third of which is broken, the last without a picture."""
    table = pd.DataFrame(
        {"path": [f"{c}.mp4" for c in "abcd"], "label": ["anger", "sadness", "anger", "happiness"], "speaker": list("ssuu")},
        index=pd.Index(list("abcd"), name="clip"),
    )
    for clip in "abd":
        (tmp_path / f"{clip}.mp4").touch()

    def made(path, store, *args, sets, **more):
        seed = ord(path.stem)
        visual = Stream.absent(135) if path.stem == "d" else stream(9, 135, seed)
        faces = FaceTrack(np.zeros(0), np.zeros((0, 4)))
        streams = {"audio": stream(14, 130, seed + 50), "visual": visual}
        return Extraction(streams, faces, np.zeros((2, 0)), np.zeros(0), 2.5, ())

    monkeypatch.setattr("affectscope.core.features.clips.extract", made)
    return Corpus("few", tmp_path, table, LABELS)


def checkpoint(system: str = "auxformer", **changes) -> Checkpoint:
    torch.manual_seed(0)
    model = MODELS[system].preset("demo", **changes).eval()
    return Checkpoint(model, Normaliser(), {}, None, "digest")


def test_a_clip_without_a_label_is_neither_right_nor_wrong(few, tmp_path):
    few.table.loc["b", "label"] = ""
    found = infer(checkpoint(labels=LABELS), few)
    found.save(tmp_path / "s.npz")
    for table in (found.table, PredictionTable.load(tmp_path / "s.npz").table):
        assert pd.isna(table.at["b", "label"])
        assert table.at["b", "correct"] is None
        wrong = table.index[table["predicted"] != table["label"]].drop("b")
        assert set(worst_first(table).index[: len(wrong)]) == set(wrong)
        rest = table.drop("b")
        assert score(table).scores["accuracy"] == pytest.approx((rest["predicted"] == rest["label"]).mean())


def test_clips_are_read_from_the_corpus_s_store_where_it_has_them(few, tmp_path, monkeypatch):
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / "cache"))
    ready = checkpoint(labels=LABELS)
    extracted = infer(ready, few)
    order = {clip: f"{ord(clip):064x}" for clip in "abcd"}
    for name, dim, shift in (("llds", 130, 50), ("face-views", 135, 0)):
        packing = Packing(default_folder(few.name, few.root), FEATURE_SETS[name], {}, order)
        for clip in "ac":
            own = stream(14 if shift else 9, dim, ord(clip) + shift)
            parts = {"values": own.values, "times": own.times, "present": own.present, "duration": np.array(7.5)}
            packing.put(order[clip], parts)
        for clip in "bd":
            packing.fail(order[clip])
        packing.finish({"b": "broken", "d": "broken"})
    found = infer(ready, few)
    # c has no file, and needs none; b and d could not be packed, and are read again.
    assert list(found.table.index) == list("abcd")
    assert found.table["duration"].tolist() == [7.5, 2.5, 7.5, 2.5]
    np.testing.assert_array_equal(found.answers["decision"][[0, 1, 3]], extracted.answers["decision"])


def test_the_table_says_what_the_model_says(few):
    ready = checkpoint(labels=LABELS)
    found = infer(ready, few)
    assert list(found.table.index) == ["a", "b", "d"]
    assert found.broken == (f"c: The file of clip c is missing: {few.root / 'c.mp4'} is named in the table of few.",)
    assert found.present["visual"].tolist() == [True, True, False]
    batch = Batch.collate([{"audio": stream(14, 130, ord("a") + 50), "visual": stream(9, 135, ord("a"))}], ready.spec.inputs)
    with torch.inference_mode():
        output = ready.model(batch)
    expected = ready.model.decide(output)[0].softmax(0)
    np.testing.assert_allclose(found.answers["decision"][0], expected, rtol=1e-5)
    row = found.table.loc["a"]
    best, second = expected.sort(descending=True).values[:2].tolist()
    assert row["predicted"] == LABELS[int(expected.argmax())]
    assert row["confidence"] == pytest.approx(best, rel=1e-5)
    assert row["margin"] == pytest.approx(best - second, rel=1e-4)
    assert bool(row["correct"]) == (row["predicted"] == "anger")
    assert row["duration"] == 2.5
    heads = {row[f"predicted_{head}"] for head in found.heads}
    assert row["disagreement"] == (len(heads) - 1) / 2
    np.testing.assert_allclose(found.embeddings["fused"][0], output.embeddings["fused"][0], rtol=1e-4, atol=1e-5)


def test_a_saved_prediction_table_comes_back(few, tmp_path):
    found = infer(checkpoint(labels=LABELS), few)
    found.save(tmp_path / "s.npz")
    back = PredictionTable.load(tmp_path / "s.npz")
    assert back is not None
    pd.testing.assert_frame_equal(back.table, found.table, check_dtype=False)
    assert (back.outputs, back.heads, back.shared, back.broken) == (found.outputs, found.heads, found.shared, found.broken)
    np.testing.assert_array_equal(back.embeddings["audio"], found.embeddings["audio"])
    (tmp_path / "s.npz").write_bytes(b"half a file")
    assert PredictionTable.load(tmp_path / "s.npz") is None


def test_another_checkpoint_or_table_is_another_prediction_table(few):
    ready = checkpoint(labels=LABELS)
    other = Corpus("few", few.root, few.table.assign(label="anger"), LABELS)
    assert inference_key(ready, few) != inference_key(ready, other)
    assert inference_key(ready, few) == inference_key(ready, few)


def test_attributes_have_an_error(few):
    table = few.table.assign(arousal=[0.5, -0.5, 0, 1], valence=[0, 0, 0, -1])
    corpus = Corpus("few", few.root, table, LABELS)
    found = infer(checkpoint("affect-transformer"), corpus)
    row = found.table.loc["a"]
    assert row["error"] == pytest.approx((abs(row["arousal_predicted"] - 0.5) + abs(row["valence_predicted"])) / 2)
    assert "predicted" not in found.table


def test_nothing_to_read_is_one_sentence(few):
    few.table["path"] = "gone.mp4"
    with pytest.raises(UserError, match="No clip of few can be read"):
        infer(checkpoint(labels=LABELS), few)


def test_entropy_by_hand():
    def of(weights):
        weights = torch.tensor(weights)[None, None]
        size = weights.shape[-1]
        return entropy(
            ModelOutput({}, {}, attention=(AttentionMap("x", "audio", "audio", 0, weights),)),
            Batch.of(audio=np.ones((1, size, 1))),
        )

    assert of([[0.25] * 4] * 2) == pytest.approx(1)
    assert of([[1.0, 0, 0, 0], [0, 1.0, 0, 0]]) == pytest.approx(0)
    # One row even over two of two keys (1), one on a single key (0).
    assert of([[0.5, 0.5], [1.0, 0.0]]) == pytest.approx(0.5)
    # A query that is absent has a row of zeros, and does not count.
    assert of([[0.5, 0.5], [0.0, 0.0]]) == pytest.approx(1)


def test_over_clip_by_hand():
    batch = Batch.of(audio=np.ones((2, 3, 1)), present={"audio": [[1, 1, 0], [0, 0, 0]]})
    answer = torch.tensor([[[1.0], [3.0], [50.0]], [[2.0], [2.0], [2.0]]])
    assert over_clip(answer, batch).tolist() == [[2.0], [2.0]]
    assert over_clip(answer[:, 0], batch).tolist() == [[1.0], [2.0]]
