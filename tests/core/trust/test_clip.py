"""From a file to its trust: changed clips, every map of a small model, and what goes out."""

import csv
import io
import json

import numpy as np
import pytest

from affectscope.core.analyzer import Analyzer
from affectscope.core.cache.store import FeatureStore
from affectscope.core.corpora import bundled
from affectscope.core.errors import UserError
from affectscope.core.library import named
from affectscope.core.trust import trust
from affectscope.core.trust.trust import Request, Trust


@pytest.fixture(scope="module")
def analyzer() -> Analyzer:
    corpus = bundled()
    return Analyzer(named.checkpoint("unimodal-attention-visual"), FeatureStore(shipped=[corpus.features]))


@pytest.fixture(scope="module")
def found(analyzer, monkeypatch_module) -> Trust:
    monkeypatch_module.setattr(trust, "UNTRAINED", 2)
    corpus = bundled()
    clip = next(str(name) for name in corpus.table.index if corpus.truth(str(name)).mask.any())
    told: list[float] = []
    asked = Request(controls=2, truth=corpus.truth(clip), clip=clip)
    trusted = analyzer.trust(corpus.media(clip), asked, lambda stage, share: told.append(share))
    assert told == sorted(told)
    assert told[-1] == 1
    return trusted


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def test_every_map_that_the_page_shows_is_measured(found):
    assert [(measured.explanation, measured.modality, measured.is_lane) for measured in found.measured] == [
        ("contrast", "visual", False), ("away", "visual", True), ("alone", "visual", True), ("attention", "visual", True),
    ]  # fmt: skip


def test_a_heatmap_has_every_measure(found):
    shown = found.measured[0]
    assert len(shown.curves.areas) == len(shown.curves.learnt) == 2
    # Nothing taken away, and everything: the same whichever marks.
    np.testing.assert_allclose(shown.curves.deletion[[0, -1]], shown.curves.insertion[[-1, 0]], atol=1e-6)
    assert {layer.part for layer in shown.layers} == {"model", "encoder"}
    assert [layer.part for layer in shown.layers if layer.last] == ["model", "encoder"]
    assert {change.name for change in shown.changes} == {"re-encoded", "shifted", "noisy"}
    assert len(shown.classes) == 5
    assert shown.pointed is not None
    assert shown.pointed.frames > 0


def test_attention_is_the_same_whichever_class_is_asked(found):
    attention = found.measured[3]
    assert attention.any_class == pytest.approx(1)
    assert np.isnan(attention.layers[-1].ssim)


def test_everything_goes_out(found):
    content = json.loads(found.to_json())
    assert content["measured"][0]["deletion"] == pytest.approx(found.measured[0].curves.deletion.tolist())
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert {row["explanation"] for row in rows} == {"contrast", "away", "alone", "attention"}
    p = [float(row["value"]) for row in rows if row["measure"] == "p" and row["explanation"] == "contrast"]
    assert p == [found.measured[0].curves.p]


def test_a_method_that_cannot_read_the_model_is_one_sentence(analyzer):
    corpus = bundled()
    media = corpus.media(corpus.table.index[0])
    with pytest.raises(UserError, match="Attention rollout needs tokens"):
        analyzer.trust(media, Request(methods=("attention-rollout",), lanes=False))
