"""wav2vec 2.0 from a state_dict alone, as AuxFormer v2 and VAVL keep it beside their own weights."""

import numpy as np
import pytest
import torch

from affectscope.core.errors import UserError
from affectscope.core.features.extractors.networks import Wav2Vec2
from tests.media_files import tone

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
SIZES = {
    "hidden_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "apply_spec_augment": False,
}
KINDS = {
    "large": {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True},
    "base": {"feat_extract_norm": "group", "do_stable_layer_norm": False, "conv_bias": False},
}


def made(kind: str):
    torch.manual_seed(0)
    options = {"conv_dim": (8,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
    return transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**SIZES, **KINDS[kind], **options)).eval()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("before", ["", "wav2vec2."])
def test_the_sizes_are_those_of_the_tensors(kind, before, tmp_path):
    model = made(kind)
    # As the public code does before it saves: the last layers are deleted.
    del model.encoder.layers[2:]
    torch.save({before + key: value for key, value in model.state_dict().items()}, tmp_path / "final_wav2vec.pt")
    sound = tone(1)
    found = Wav2Vec2(tmp_path / "final_wav2vec.pt", "cpu")
    assert found.dim == 128
    normal = (sound.samples - sound.samples.mean()) / np.sqrt(sound.samples.var() + 1e-7)
    with torch.inference_mode():
        # What 49 whole frames hear: norms over time would count the rest in.
        expected = model(torch.from_numpy(normal[: 48 * 320 + 400])[None]).last_hidden_state[0].numpy()
    np.testing.assert_allclose(found(sound), expected, rtol=1e-3, atol=1e-4)


def test_a_file_that_is_none_is_one_sentence(tmp_path):
    torch.save({"w": torch.ones(2)}, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"w\.pt holds no wav2vec 2\.0 model"):
        Wav2Vec2(tmp_path / "w.pt", "cpu")
    state = made("large").state_dict()
    del state["encoder.layer_norm.weight"]
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"does not fit wav2vec 2\.0 \(encoder\.layer_norm\.weight\)"):
        Wav2Vec2(tmp_path / "w.pt", "cpu")
