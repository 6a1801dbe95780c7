"""Feature sets with a size in their name, against what the frames and samples themselves say."""

import numpy as np
import pytest

from affectscope.core import media
from affectscope.core.corpora import bundled
from affectscope.core.errors import UserError
from affectscope.core.features.bulk import stages
from affectscope.core.features.bulk.stages import Task
from affectscope.core.features.sets import FEATURE_SETS
from affectscope.core.features.stored.packed import open_sets
from affectscope.core.features.stored.packing import Packing
from tests.media_files import tone


@pytest.mark.parametrize(
    ("name", "shape", "dim"),
    [
        ("faces-96-rgb", (3, 96, 96), 3 * 96 * 96),
        ("faces-64-grey", (1, 64, 64), 64 * 64),
        ("waveform-20ms", (320,), 320),
        ("log-mel-40", (), 40),
        ("vgg-face", (), 4096),
    ],
)
def test_a_frame_has_the_shape_that_its_name_says(name, shape, dim):
    feature_set = FEATURE_SETS[name]
    assert (feature_set.shape, feature_set.dim, feature_set.name) == (shape, dim, name)
    assert name in FEATURE_SETS


@pytest.mark.parametrize("name", ["faces-4-rgb", "faces-2000-grey", "log-mel-2", "log-mel-500"])
def test_a_size_that_nobody_means_is_one_sentence(name):
    with pytest.raises(UserError, match=f"{name} is none of the"):
        FEATURE_SETS[name]


def test_families_are_named_where_a_set_is_not_found():
    with pytest.raises(UserError, match=r"log-mel-BANDS") as raised:
        FEATURE_SETS["mel-64"]
    assert "faces-SIDE-rgb" in str(raised.value)


def test_faces_come_channels_first_between_0_and_1(tmp_path):
    corpus = bundled()
    name = corpus.table.index[0]
    task = Task(name, corpus.media(name), ("faces-32-rgb", "faces-32-grey"), {})
    seen = stages.detect(task, stages.decode(task))
    made = stages.encode(task, seen)
    for colour, channels in (("rgb", 3), ("grey", 1)):
        feature_set = FEATURE_SETS[f"faces-32-{colour}"]
        arrays = made[feature_set.name]
        assert arrays["values"].dtype == np.uint8
        stream = feature_set.as_stream(arrays)
        picture = stream.values[7].reshape(feature_set.shape)
        crop = seen[f"{colour}-32"][7].reshape(32, 32, channels)
        np.testing.assert_allclose(picture.transpose(1, 2, 0), crop / 255, atol=1e-7)
        # What a store keeps comes out as the same numbers, and not as -1..1.
        packing = Packing(tmp_path / colour, feature_set, {}, {name: "1" * 64})
        packing.put("1" * 64, arrays)
        packing.finish({})
        (kept,) = open_sets(tmp_path / colour)
        np.testing.assert_array_equal(kept.stream(name).values, stream.values)


def test_frames_of_the_waveform_side_by_side_are_the_sound():
    sound = tone(0.5101, start=0.25)
    stream = FEATURE_SETS["waveform-20ms"].encode({"sound": sound.samples, "sound_start": np.array(0.25)}, None)
    # 8,162 samples: 25 frames of 320, and one with 162 of them.
    assert stream.values.shape == (26, 320)
    np.testing.assert_array_equal(stream.values.ravel()[:8162], sound.samples)
    assert not stream.values.ravel()[8162:].any()
    assert stream.times[:2].tolist() == pytest.approx([0.26, 0.28])
    assert stream.present.all()


def test_a_pause_in_the_waveform_is_there():
    samples = np.concatenate([tone(0.1).samples, np.zeros(1600, np.float32)])
    assert FEATURE_SETS["waveform-20ms"].encode({"sound": samples, "sound_start": np.array(0.0)}, None).present.all()
    for silent in ({}, {"sound": np.zeros(3200, np.float32), "sound_start": np.array(0.0)}):
        assert FEATURE_SETS["waveform-20ms"].encode(silent, None).values.shape == (0, 320)


def test_a_tone_is_loudest_in_its_own_mel_band():
    import librosa

    moments = np.arange(media.SAMPLE_RATE) / media.SAMPLE_RATE
    samples = (0.5 * np.sin(2 * np.pi * 1000 * moments)).astype(np.float32)
    stream = FEATURE_SETS["log-mel-40"].encode({"sound": samples, "sound_start": np.array(0.5)}, None)
    # (16,000 - 400) / 160 + 1 frames, the first centred at half a window.
    assert stream.values.shape == (98, 40)
    assert stream.times[:2].tolist() == pytest.approx([0.5125, 0.5225])
    centres = librosa.mel_frequencies(42, fmax=8000)[1:-1]
    assert stream.values[50].argmax() == np.abs(centres - 1000).argmin()
    # The same as librosa's own, whose frames begin with the first sample where it does not centre them.
    options = {"n_fft": 1024, "win_length": 400, "hop_length": 160, "n_mels": 40, "center": False}
    power = librosa.feature.melspectrogram(y=samples, sr=16_000, **options)
    # Its window begins 312 samples later, in the middle of the longer one; a steady tone does not show it.
    np.testing.assert_allclose(stream.values[40], np.log(np.maximum(power[:, 40], 1e-10)), atol=1e-4)


def test_a_pause_is_as_present_as_a_word_and_a_silent_track_has_no_log_mels():
    pause = np.concatenate([tone(0.2).samples, np.zeros(3200, np.float32), tone(0.2).samples])
    stream = FEATURE_SETS["log-mel-16"].encode({"sound": pause, "sound_start": np.array(0.0)}, None)
    assert stream.present.all()
    assert stream.values[np.abs(stream.times - 0.3) < 0.02] == pytest.approx(np.log(1e-10))
    silent = FEATURE_SETS["log-mel-16"].encode({"sound": np.zeros(16_000, np.float32), "sound_start": np.array(0.0)}, None)
    assert len(silent.times) == 0
