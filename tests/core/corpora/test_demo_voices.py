"""Recorded voices, WORLD and what emotions do to a voice: numbers by hand, and the voice that comes out."""

import importlib.util
import shutil
from dataclasses import replace

import numpy as np
import pytest

from affectscope.core.corpora.demo import channel, manner, recorded, vocoder, voice
from affectscope.core.corpora.demo.corpus import LICENCE, person
from affectscope.core.corpora.demo.expressions import SOUNDS, VISEMES, shape_of
from affectscope.core.corpora.demo.identities import people, roster
from affectscope.core.corpora.demo.recorded import VOICES, Recorded, name_of
from affectscope.core.corpora.demo.script import plan
from affectscope.core.corpora.demo.speech import RATE, Speech
from affectscope.core.errors import UserError

world = pytest.mark.skipif(importlib.util.find_spec("pyworld") is None, reason="needs pyworld")
flite = pytest.mark.skipif(
    shutil.which("flite") is None or importlib.util.find_spec("pyworld") is None, reason="needs flite and pyworld"
)
FREQUENCIES = vocoder.FREQUENCIES


def hum(pitch: float = 120.0, seconds: float = 0.6) -> Speech:
    """Pulses through a resonance at 700 Hz: a vowel, plainly."""
    from scipy.signal import lfilter

    clock = np.arange(int(seconds * RATE)) / RATE
    pulses = (np.diff(np.floor(clock * pitch), prepend=0) > 0).astype(float)
    radius = np.exp(-np.pi * 80 / RATE)
    samples = lfilter([1.0], [1, -2 * radius * np.cos(2 * np.pi * 700 / RATE), radius**2], pulses)
    return Speech((0.3 * samples / np.abs(samples).max()).astype(np.float32), ("a",), np.array([0.0, seconds]))


def peak_of(utterance: vocoder.Utterance) -> float:
    middle = utterance.envelope[20:-20].mean(0)
    return float(FREQUENCIES[middle[FREQUENCIES < 2000].argmax()])


@world
def test_world_finds_the_pitch_and_the_formant() -> None:
    utterance = vocoder.analyse(hum())
    assert utterance.median == pytest.approx(120, rel=0.01)
    assert peak_of(utterance) == pytest.approx(700, abs=50)


@world
def test_warping_moves_formants_and_leaves_pitch() -> None:
    utterance = vocoder.warped(vocoder.analyse(hum()), np.full(513, 1.2))
    assert peak_of(utterance) == pytest.approx(840, abs=60)
    assert utterance.median == pytest.approx(120, rel=0.01)


@world
def test_stretching_moves_the_edges_with_the_sound() -> None:
    longer = vocoder.stretched(vocoder.analyse(hum(seconds=0.6)), np.array([1.5]))
    assert longer.edges == pytest.approx([0, 0.9])
    assert len(vocoder.synthesise(longer)) / RATE == pytest.approx(0.9, abs=0.02)


def test_tilt_is_by_the_octave_above_500_hz() -> None:
    gain = vocoder.tilt_gain(-3.0, low=-4.0)
    at = [int(np.abs(FREQUENCIES - f).argmin()) for f in (500, 1000, 2000, 4000, 8000, 300, 100)]
    assert gain[at] == pytest.approx([0, -3, -6, -9, -9, -4, -4], abs=0.1)


def test_a_manner_of_level_nought_is_neutral_and_grows_with_the_level() -> None:
    def drawn(level: float) -> manner.Manner:
        return manner.manner("anger", level, np.random.default_rng(1), np.random.default_rng(2))

    assert drawn(0.0) == manner.Manner()
    assert drawn(1.0).pitch == pytest.approx(2 * drawn(0.5).pitch)
    assert manner.mixed(drawn(0.0), drawn(1.0), 0.25).energy == pytest.approx(0.25 * drawn(1.0).energy)


def test_levels_say_nothing_of_how_loud_a_voice_was() -> None:
    sound = np.sin(np.arange(1600)).astype(np.float32)
    loud, quiet = channel.levelled(sound, 0.0), channel.levelled(0.01 * sound, 0.0)
    assert np.allclose(loud, quiet, atol=1e-6)
    assert np.abs(loud).max() == pytest.approx(10 ** (-3 / 20), rel=1e-3)


def test_phones_of_every_voice_have_a_shape_of_the_lips() -> None:
    assert [name_of(p) for p in ("pau", "#", "iy", "a1", "O1", "r::", "m")] == ["_", "_", "i:", "a", "O", "r", "m"]
    assert shape_of(name_of("m")) == "closed"
    assert shape_of(name_of("aa")) == "open"
    assert shape_of(name_of("uw")) == "round"
    assert set(SOUNDS) == set(VISEMES)


def test_held_out_persons_speak_with_voices_that_ask_for_nothing() -> None:
    for identity in people("held-out"):
        assert identity.voice.source.startswith("espeak ") or VOICES[identity.voice.source].free
    used = {identity.voice.source for identity in roster() if not identity.voice.source.startswith("espeak ")}
    assert used <= set(VOICES)
    assert {VOICES[source].sex for source in used} == {"female", "male"}
    assert "CC0" in LICENCE
    assert all(word in LICENCE for word in ("CMU", "GPL-2+", "GPL-3", "LGPL-2.1+"))


def test_a_machine_without_the_voices_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="apt-get install flite festival"):
        recorded.check()
    monkeypatch.setitem(VOICES, "nobody", Recorded("flite", "nobody", "male", True))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="apt-get install"):
        recorded.say("Hello.", "nobody")


@flite
def test_the_same_plan_is_the_same_sound_and_emotions_differ_as_the_literature_has_it() -> None:
    def spoken(emotion: str) -> Speech:
        item = replace(plan(1, 0, "train"), audio_emotion=emotion, second="", voice_level=1.2, sentence="ITS")
        return voice.perform(item, replace(person("t01"), voice=calm), np.random.default_rng(5))

    calm = replace(person("t01").voice, source="slt", pitch=200.0, formants=1.0)
    anger, again, sadness = spoken("anger"), spoken("anger"), spoken("sadness")
    assert (anger.samples == again.samples).all()
    assert len(sadness.samples) > 1.1 * len(anger.samples)
    angry, sad = vocoder.analyse(anger), vocoder.analyse(sadness)
    assert angry.median > 1.2 * sad.median

    def high_share(utterance: vocoder.Utterance) -> float:
        powers = utterance.envelope[utterance.voiced].sum(0)
        return float(powers[FREQUENCIES > 1000].sum() / powers.sum())

    assert high_share(angry) > 2 * high_share(sad)
    assert anger.edges[-1] <= len(anger.samples) / RATE
    assert len(anger.phonemes) == len(anger.edges) - 1 > 10
