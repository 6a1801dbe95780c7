import copy
import math
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor

from affectscope.core.errors import UserError
from affectscope.core.models import catalogue
from affectscope.core.models.blocks.resnet import ResNet2D, ResNet3D
from affectscope.core.models.blocks.snippets import membership, snippets, windows
from affectscope.core.models.double_attention import DoubleAttention, fuse
from affectscope.core.streams import Batch


def built(**changes: Any) -> DoubleAttention:
    torch.manual_seed(0)
    return DoubleAttention.preset("demo", **changes).eval()


def clips(count: int = 2, frames: tuple[int, int] = (30, 240), seed: int = 1) -> Batch:
    make = torch.Generator().manual_seed(seed)
    visual, audio = frames
    return Batch.of(
        visual=torch.randn(count, visual, 48 * 48, generator=make), audio=torch.randn(count, audio, 64, generator=make)
    )


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return catalogue.rows()


def present(*flags: str) -> Tensor:
    return torch.tensor([[flag == "x" for flag in row] for row in flags])


def test_snippets_take_the_middles_of_equal_shares():
    # Eight frames in two parts of four: the middles of their halves, 1 and 3 of each part.
    assert snippets(present("xxxxxxxx"), 2, 2).tolist() == [[[1, 3], [5, 7]]]
    # The same behind absent frames, between them, and before padding.
    assert snippets(present("..xx.xxxxxx..."), 2, 2).tolist() == [[[3, 6], [8, 10]]]


def test_short_clips_repeat_frames():
    assert snippets(present("x...", ".x.x"), 3, 2).tolist() == [[[0, 0], [0, 0], [0, 0]], [[1, 1], [1, 1], [3, 3]]]


def test_windows_reach_from_the_first_frame_to_the_last():
    # Room for 2 of 4 frames: from 0, 1 and 2. A clip that is shorter than a window repeats its last frame.
    assert windows(present(".xxxx"), 3, 2).tolist() == [[[1, 2], [2, 3], [3, 4]]]
    assert windows(present("xx..."), 2, 4).tolist() == [[[0, 1, 1, 1], [0, 1, 1, 1]]]
    # Twice as long as both windows: the middle is left out.
    assert windows(present("xxxxxxxx"), 2, 2).tolist() == [[[0, 1], [6, 7]]]


def test_membership_averages_the_frames_that_were_taken():
    mask = present("xxx", "...")
    weights = membership(torch.tensor([[[0, 2], [1, 1]]] * 2), mask)
    assert weights.tolist() == [[[0.5, 0, 0.5], [0, 1, 0]], [[0] * 3] * 2]


def test_depth_18_is_torchvisions():
    torch.manual_seed(0)
    for theirs, ours, x in (
        (torchvision.models.video.r3d_18(), ResNet3D(18, classes=400), torch.randn(1, 3, 4, 32, 32)),
        (torchvision.models.resnet18(), torch.nn.Sequential(ResNet2D(18)), torch.randn(1, 3, 64, 64)),
    ):
        state = theirs.state_dict()
        if isinstance(ours, ResNet3D):
            ours.load_state_dict(state)
            torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), atol=1e-5, rtol=1e-5)
        else:
            ours[0].load_state_dict({k: v for k, v in state.items() if not k.startswith("fc.")})
            pooled = ours.eval()(x).mean((2, 3))
            torch.testing.assert_close(theirs.fc(pooled), theirs.eval()(x), atol=1e-5, rtol=1e-5)


def test_the_3d_resnet_101_has_its_published_count_and_shapes(rows):
    (row,) = [r for r in rows if (r["name"], r["preset"]) == ("resnet3d", "101-kinetics400")]
    assert (row["variant"], row["parameters"]) == ("code", 86_064_720)
    with torch.device("meta"):
        for depth, maps in ((101, (2048, 1, 7, 7)), (50, (2048, 1, 7, 7)), (18, (512, 2, 14, 14))):
            trunk = ResNet3D(depth)
            assert trunk(torch.empty(1, 3, 16, 224, 224)).shape == (1, *maps)
            assert (trunk.features, trunk.side(224)) == (maps[0], maps[-1])


def test_counts_of_the_docstring(rows):
    counts = {r["preset"]: r["parameters"] for r in rows if r["name"] == "double-attention"}
    assert counts == {"paper": 128_187_530, "paper-50": 89_141_386, "paper-18": 47_941_190, "demo": 1_429_706}
    for row, expected in (("AT", 12_243_526), ("VS", 102_096_070), ("VS+VC", 102_105_674), ("VS+VC+VT", 115_681_866)):
        with torch.device("meta"):
            assert catalogue.count(DoubleAttention.preset("paper", attentions=row)) == expected


def test_channel_attention_has_the_most_heads_that_divide_the_places():
    with torch.device("meta"):
        # 7 x 7 places, and 14 x 14.
        assert DoubleAttention.preset("paper").channel.heads == 7
        assert DoubleAttention.preset("paper-18").channel.heads == 7
    # 3 x 3 places, four heads at most.
    assert built().channel.heads == 3


def test_fusion_by_hand():
    audio, visual = torch.tensor([[[1.0], [2.0]]]), torch.tensor([[[0.0], [math.log(3)]]])
    h, look, listen = fuse(audio, visual, torch.ones(1, 1))
    # Corr = [[0, ln 3], [0, 2 ln 3]]. Audio 1 picks visual snippets 1 to 3, audio 2 picks them 1 to 9.
    torch.testing.assert_close(look, torch.tensor([[[1 / 4, 3 / 4], [1 / 10, 9 / 10]]]))
    # Visual 1 picks audio snippets 1 to 1, visual 2 picks them 3 to 9.
    torch.testing.assert_close(listen, torch.tensor([[[1 / 2, 1 / 2], [1 / 4, 3 / 4]]]))
    # Own snippet and mean: visual 0 + 0.75 ln 3 and ln 3 + 0.9 ln 3, audio 1 + 1.5 and 2 + 1.75.
    expected = torch.tensor([[[0.75 * math.log(3), 2.5], [1.9 * math.log(3), 3.75]]]).tanh()
    torch.testing.assert_close(h, expected)


def test_fusion_asks_sound_by_its_rows_of_w():
    """W leads from the first feature of the sound to the second of the picture, and not back."""
    audio, visual = torch.tensor([[[1.0, 0.0], [0.0, 5.0]]]), torch.tensor([[[0.0, 0.0], [7.0, math.log(3)]]])
    _, look, listen = fuse(audio, visual, torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
    # Corr = [[0, ln 3], [0, 0]].
    torch.testing.assert_close(look, torch.tensor([[[1 / 4, 3 / 4], [1 / 2, 1 / 2]]]))
    torch.testing.assert_close(listen, torch.tensor([[[1 / 2, 1 / 2], [3 / 4, 1 / 4]]]))


def heads_by_hand(attention: torch.nn.Module, x: Tensor) -> Tensor:
    """Eq. 1 to 3 for one snippet's places, one snippet's channels or one clip's snippets, x [n, d]."""
    query, key, value = (x @ w.T for w in attention.in_proj_weight.chunk(3))
    size = x.shape[1] // attention.heads
    parts = []
    for h in range(attention.heads):
        q, k, v = (y[:, h * size : (h + 1) * size] for y in (query, key, value))
        parts.append((q @ k.T / math.sqrt(size)).softmax(1) @ v)
    return torch.cat(parts, 1) @ attention.out_proj.weight.T


def test_attention_over_places_then_channels_then_snippets_by_hand():
    model, batch = built(residual=False, temporal_residual=False, width=64), clips()
    with torch.no_grad():
        # Fresh weights look everywhere alike, whatever scale and order they have.
        for name in ("spatial", "channel", "temporal_visual", "temporal_audio"):
            getattr(model, name).in_proj_weight.mul_(1.5)
        model.spatial.out_proj.weight.mul_(2)
        faces = batch.values["visual"][:, snippets(batch.present["visual"][:1], 6, 4)[0]]
        sounds = batch.values["audio"][:, windows(batch.present["audio"][:1], 6, 100)[0]]
        described, heard = [], []
        for places in model._places(faces).unflatten(0, (2, 6)):
            seen = [heads_by_hand(model.channel, heads_by_hand(model.spatial, place).T).mean(1) for place in places]
            described.append(heads_by_hand(model.temporal_visual, torch.stack(seen)))
        for windowed in model._heard(sounds):
            heard.append(heads_by_hand(model.temporal_audio, windowed))
        h, _, _ = fuse(torch.stack(heard), torch.stack(described), model.relevance)
        expected = model.classifier(h.flatten(1))
        output = model(batch)
    torch.testing.assert_close(output.embeddings["fused"], h.flatten(1))
    torch.testing.assert_close(output.predictions["av"], expected)


NAMES = ("spatial", "channel", "temporal_visual", "temporal_audio")


def test_residuals_are_around_all_four_attentions():
    """Attentions that say nothing leave what the trunks found: each row of Table 2 that adds one keeps the path."""
    batch = clips()
    for attentions in ("AT", "VS", "VS+VC", "VS+VC+VT", "AT+VS+VC+VT"):
        model = built(attentions=attentions)
        with torch.no_grad():
            for name in NAMES:
                if hasattr(model, name):
                    getattr(model, name).out_proj.weight.zero_()
            bare = {}
            if "AT" in attentions:
                sounds = batch.values["audio"][:, windows(batch.present["audio"][:1], 6, 100)[0]]
                bare["audio"] = model._heard(sounds)
            if "VS" in attentions:
                faces = batch.values["visual"][:, snippets(batch.present["visual"][:1], 6, 4)[0]]
                bare["visual"] = model._places(faces).mean(1).unflatten(0, (2, 6))
            expected = fuse(bare["audio"], bare["visual"], model.relevance)[0] if len(bare) == 2 else next(iter(bare.values()))
            torch.testing.assert_close(model(batch).embeddings["fused"], expected.flatten(1), atol=1e-5, rtol=1e-4)


def test_a_residual_around_temporal_attention_keeps_the_width():
    with pytest.raises(UserError, match="a width of 128, not 64"):
        built(width=64)


def test_checkpoints_of_before_keep_their_shape():
    """Their configs say nothing of a temporal residual: they have none, and a width of its own."""
    model = DoubleAttention.preset("demo")
    config = asdict(replace(model.config, width=64, temporal_residual=False))
    del config["temporal_residual"]
    before = DoubleAttention(type(model.config)(**config))
    assert catalogue.count(before) == 1_396_426
    assert not before.config.temporal_residual


def test_each_matrix_of_each_attention_begins_as_xaviers():
    model = built()
    for name in NAMES:
        attention = getattr(model, name)
        matrices = [*attention.in_proj_weight.chunk(3), attention.out_proj.weight]
        for matrix in matrices:
            bound = math.sqrt(6 / sum(matrix.shape))
            assert 0.9 * bound < matrix.abs().max() <= bound, name
    assert model.relevance.abs().max() <= math.sqrt(6 / 256)


def test_a_still_is_one_frame_for_as_long_as_a_snippet():
    model = built()
    faces = torch.randn(1, 48 * 48)
    # One frame is there among absent ones, so that it is the one that is drawn.
    values = torch.zeros(2, 5, 48 * 48).index_put((torch.tensor([1]), torch.tensor([3])), faces)
    batch = Batch({"visual": values}, {"visual": present(".....", "...x.")})
    with torch.no_grad():
        found, rows = model.stills("visual", batch, 3)
        expected = model._places(faces[None, None].expand(1, 1, 4, -1)).mean(1)
    assert rows.tolist() == [1]
    torch.testing.assert_close(found, expected.expand(3, -1), atol=1e-5, rtol=1e-4)


def test_fusion_with_silence_weighs_all_snippets_alike():
    h, _, _ = fuse(torch.zeros(1, 2, 1), torch.tensor([[[1.0], [3.0]]]), torch.ones(1, 1))
    # 1 and 3, and their mean 2; nothing of the sound.
    torch.testing.assert_close(h, torch.tensor([[[3.0, 0.0], [5.0, 0.0]]]).tanh())


@pytest.mark.parametrize(("gone", "half"), [("audio", 1), ("visual", 0)])
def test_what_is_absent_leaves_zeros_in_its_half(gone, half):
    embedding = built()(clips().without(gone)).embeddings["fused"].view(2, 6, 2, 128)
    assert embedding[:, :, half].abs().max() == 0
    assert embedding[:, :, 1 - half].abs().max() > 0


@pytest.mark.parametrize("attentions", ["AT", "VS", "VS+VC", "VS+VC+VT"])
def test_the_rows_of_the_ablation_build_what_they_name(attentions):
    model = built(attentions=attentions)
    modality = "audio" if attentions == "AT" else "visual"
    assert (model.spec.heads, set(model.spec.inputs)) == ((modality,), {modality})
    parts = {name for name, _ in model.named_children()} - {"classifier"}
    expected = {
        "AT": {"listener", "temporal_audio"},
        "VS": {"watcher", "spatial"},
        "VS+VC": {"watcher", "spatial", "channel"},
        "VS+VC+VT": {"watcher", "spatial", "channel", "temporal_visual"},
    }
    assert parts == expected[attentions]
    batch = clips()
    (answer,) = model(batch).predictions.values()
    (other,) = model(batch.without("audio" if modality == "visual" else "visual")).predictions.values()
    assert torch.equal(answer, other)


def test_attention_maps_tell_frames_that_were_taken():
    model, batch = built(), clips(1, frames=(60, 1000))
    maps = {m.name: m.weights for m in model(batch, attention=True).attention}
    # Ten frames in a part, the middles of four shares of 2.5: 1, 3, 6, 8.
    taken = (maps["temporal.visual"][0].sum((0, 1)) > 0).nonzero()[:, 0]
    assert taken.tolist() == [10 * part + i for part in range(6) for i in (1, 3, 6, 8)]
    # Six windows of 100 frames in 1000, 180 apart.
    heard = (maps["temporal.audio"][0].sum((0, 1)) > 0).nonzero()[:, 0]
    assert heard.tolist() == [180 * part + i for part in range(6) for i in range(100)]


def test_absent_clips_teach_batch_norm_nothing():
    batch = clips(3)
    gone = torch.tensor([[True], [False], [True]])
    model = built().train()
    alone = copy.deepcopy(model)
    model(batch.masked(visual=gone, audio=gone))
    keep = [0, 2]
    alone(Batch({k: v[keep] for k, v in batch.values.items()}, {k: v[keep] for k, v in batch.present.items()}))
    for name, buffer in model.named_buffers():
        torch.testing.assert_close(buffer, dict(alone.named_buffers())[name])


def test_spatial_attention_is_over_places_of_snippets():
    model = built()
    batch = clips().masked(visual=torch.tensor([[True], [False]]))
    spatial, channel = model.places(batch)
    assert spatial.maps.shape == (2, model.spatial.heads, 6, 3, 3)
    torch.testing.assert_close(spatial.maps.sum((3, 4))[0], torch.ones(model.spatial.heads, 6))
    assert spatial.maps[0].flatten(2).std(2).min() > 0
    assert (spatial.name, spatial.count, channel.name, channel.count) == ("spatial", 9, "channel", model.watcher.features)
    for attention in (spatial, channel):
        assert not attention.maps[1].any()
        assert not attention.spread[1].any()
        assert attention.maps.min() >= 0
        assert 1 <= attention.spread[0].min() <= attention.spread[0].max() <= attention.count + 1e-3
        assert not any(lost.maps.any() for lost in model.places(batch.without("visual")))
    assert built(attentions="AT").places(clips()) == ()
    assert [attention.name for attention in built(attentions="VS").places(batch)] == ["spatial"]


def test_channels_are_weighed_by_how_much_all_channels_ask_for_them():
    model = built()
    batch = clips()
    _, channel = model.places(batch)
    rows = torch.arange(2)
    places = model._places(batch.values["visual"][rows[:, None, None], model._indices("visual", batch.present["visual"])])
    channels = (model.spatial(places, places)[0] + model.config.residual * places).transpose(1, 2)
    weights = model.channel(channels, channels, need_weights=True)[1]
    torch.testing.assert_close(weights.sum(3), torch.ones(weights.shape[:3]))
    asked = torch.stack([weights[:, :, asks] for asks in range(weights.shape[2])]).mean(0)
    expected = torch.einsum("rhm,rsm->rhs", asked, places).unflatten(0, (2, 6)).unflatten(3, (3, 3)).transpose(1, 2)
    torch.testing.assert_close(channel.maps, expected)
    assert (channel.maps - channel.maps.mean(1, keepdim=True)).abs().max() > 0


def test_channel_attention_shows_where_the_channels_are_that_are_asked_for():
    """Every channel is asked for alike: the map is the mean of all channels' maps, and the attention is spread over all."""
    model = built()
    with torch.no_grad():
        model.channel.in_proj_weight.zero_()
    batch = clips()
    _, channel = model.places(batch)
    rows = torch.arange(2)
    places = model._places(batch.values["visual"][rows[:, None, None], model._indices("visual", batch.present["visual"])])
    mean = places.mean(2).unflatten(0, (2, 6)).unflatten(2, (3, 3))
    for head in range(model.channel.heads):
        torch.testing.assert_close(channel.maps[:, head], mean)
    torch.testing.assert_close(channel.spread, torch.full_like(channel.spread, model.watcher.features))


def test_crops_of_other_sizes_fit_if_they_are_square():
    assert DoubleAttention.sized({"audio": 32, "visual": 24 * 24}) == {"audio_dim": 32, "channels": 1, "side": 24}
    assert DoubleAttention.sized({"visual": 3 * 224**2}) == {"channels": 3, "side": 224}
    with pytest.raises(UserError, match="135 values"):
        DoubleAttention.sized({"audio": 130, "visual": 135})


def test_the_demo_asks_for_features_that_are_extracted():
    assert built().spec.features == {"audio": "spectrogram-64", "visual": "faces-48"}
    assert built(attentions="VS").spec.features == {"visual": "faces-48"}
