import numpy as np
import pytest

from affectscope.core.features.extractors.opensmile import DIM, extract_llds, level_db
from affectscope.core.media import SAMPLE_RATE, Sound
from tests.media_files import tone


def test_level_of_a_known_wave():
    # A full-scale sine has a root mean square of 1/sqrt(2): -3.01 dB.
    assert level_db(tone(1, 1.0).samples) == pytest.approx(-3.01, abs=0.01)


@pytest.mark.parametrize("sound", [None, Sound(np.zeros(SAMPLE_RATE, np.float32), 0.0), tone(1, 1e-5), tone(0.05)])
def test_silence_and_scraps_are_absent(sound):
    stream = extract_llds(sound)
    assert stream.values.shape == (0, DIM)
    assert not stream.any


def test_130_descriptors_every_10_ms_from_where_the_sound_starts():
    pytest.importorskip("opensmile", reason="openSMILE is not installed")
    stream = extract_llds(tone(2, start=0.5))
    assert stream.values.shape[1] == DIM
    np.testing.assert_allclose(np.diff(stream.times), 0.010, atol=1e-6)
    assert stream.times[0] == pytest.approx(0.51)
    assert len(stream.times) == pytest.approx(195, abs=3)
    assert stream.present.all()
    # Column 0 of the deltas answers to column 0 of the descriptors: a steady tone does not move.
    middle = slice(50, 150)
    assert np.abs(stream.values[middle, 65]).mean() < 0.05 * np.abs(stream.values[middle, 0]).mean()


def test_digital_silence_within_a_sound_is_absent():
    pytest.importorskip("opensmile", reason="openSMILE is not installed")
    samples = tone(3).samples.copy()
    samples[SAMPLE_RATE : 2 * SAMPLE_RATE] = 0
    stream = extract_llds(Sound(samples, 0.0))
    assert not stream.present[(stream.times > 1.1) & (stream.times < 1.9)].any()
    assert stream.present[(stream.times < 0.9)].all()


def test_a_click_is_heard_when_it_sounds():
    pytest.importorskip("opensmile", reason="openSMILE is not installed")
    samples = np.random.default_rng(0).normal(0, 1e-3, 2 * SAMPLE_RATE).astype(np.float32)
    samples[SAMPLE_RATE : SAMPLE_RATE + 40] = 0.9
    stream = extract_llds(Sound(samples, 0.0))
    energy = stream.values[:, 8]  # pcm_RMSenergy
    assert stream.times[energy.argmax()] == pytest.approx(1.0, abs=0.011)
