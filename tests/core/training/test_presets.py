"""Which features presets are trained on."""

from types import SimpleNamespace

import numpy as np
import pytest

from affectscope.core.errors import UserError
from affectscope.core.features.sets import FEATURE_SETS
from affectscope.core.features.stored.packing import Packing
from affectscope.core.models import catalogue  # noqa: F401
from affectscope.core.models.base import MODELS
from affectscope.core.models.labels import EMOTIONS
from affectscope.core.training.presets import adapt_preset, is_demo, published_sets, spec_of, stored_sets

PRESETS = [(system, preset) for system in MODELS for preset in MODELS[system].presets()]
CORPUS = SimpleNamespace(labels=EMOTIONS, given={}, name="made up")


@pytest.mark.parametrize(("system", "preset"), PRESETS)
def test_every_preset_takes_feature_sets_that_there_are_and_as_wide_as_its_inputs(system, preset):
    changes, sets = adapt_preset(system, preset, CORPUS)
    spec = spec_of(system, preset)
    assert set(sets) == set(spec.inputs)
    for modality, name in sets.items():
        assert FEATURE_SETS[name].modality == modality
        assert FEATURE_SETS[name].dim == spec.inputs[modality], (system, preset, name)
    assert spec_of(system, preset, **changes).inputs == spec.inputs


@pytest.mark.parametrize(
    ("system", "preset", "sets"),
    [
        ("auxformer", "paper", {"audio": "llds-32-16", "visual": "vgg-face"}),
        ("vavl", "paper", {"audio": "wav2vec2", "visual": "efficientnet-b2"}),
        ("vavl", "sentiment", {"audio": "covarep", "visual": "facet"}),
        ("affect-transformer", "paper", {"audio": "llds-25-10-2s", "visual": "vgg-face"}),
        ("affect-rnn", "paper", {"audio": "llds-25-10", "visual": "vgg-face"}),
        ("double-attention", "paper-18", {"audio": "spectrogram-256", "visual": "snippets-224"}),
    ],
)
def test_published_presets_take_their_papers_features(system, preset, sets):
    assert published_sets(system, preset) == sets


def test_no_published_preset_falls_back_to_the_demo_features():
    for system, preset in PRESETS:
        demo = {"llds", "face-views", "face-maps", "faces-48", "spectrogram-64"}
        assert is_demo(preset) or not demo & set(adapt_preset(system, preset, CORPUS)[1].values())


def _store(folder, **sets):
    for name, dim in sets.items():
        feature_set = FEATURE_SETS[name.replace("_", "-")]
        packing = Packing(folder, feature_set, {"set": feature_set.name}, {"a": "1" * 64})
        values = np.ones((2, dim), np.float32)
        packing.put("1" * 64, {"values": values, "times": np.arange(2.0), "present": np.ones(2, bool), "duration": np.array(2.0)})
        packing.finish({})
    return folder


def test_a_store_without_the_papers_features_is_refused_with_what_to_do(tmp_path):
    store = _store(tmp_path, llds=130, face_views=135)
    with pytest.raises(UserError, match=r"takes vgg-face of visual.*face-views.*--features visual=SET"):
        stored_sets("auxformer", "paper", store)
    assert stored_sets("auxformer", "paper", store, {"visual": "face-views"})["visual"].dim == 135
    assert stored_sets("auxformer", "demo", store)["visual"].dim == 135


def test_of_several_sets_in_a_store_a_published_preset_takes_its_own_or_the_one_that_is_as_wide(tmp_path):
    store = _store(tmp_path, llds=130, llds_32_16=130, face_views=135, vgg_face_unit=4096)
    chosen = stored_sets("auxformer", "paper", store)
    assert {m: feature_set.name for m, feature_set in chosen.items()} == {"audio": "llds-32-16", "visual": "vgg-face-unit"}
