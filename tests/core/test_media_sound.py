"""Sound: whatever its format does in between, from the track that holds it, in its place."""

import wave

import numpy as np
import pytest
from scipy.io import wavfile

from affectscope.core import media
from affectscope.core.cache.store import FeatureStore
from affectscope.core.errors import UserError
from affectscope.core.export import files as export
from affectscope.core.features.extract import extract
from affectscope.core.media.stretch import cut
from affectscope.core.timeline.timeline import Timeline
from tests.media_files import clip, ffmpeg, joined, tone, two_tracks


def stereo(path, left, right, rate=16000):
    samples = np.round(32767 * np.stack([left, right], 1)).astype("<i2")
    with wave.open(str(path), "wb") as out:
        out.setparams((2, 2, rate, len(samples), "NONE", ""))
        out.writeframes(samples.tobytes())
    return path


def level(sound):
    return float(np.abs(sound.samples).max())


@pytest.mark.parametrize(
    "formats",
    [[(1, 48000), (2, 48000)], [(6, 48000), (2, 48000)], [(2, 44100), (1, 32000)], [(1, 48000), (6, 44100), (1, 48000)]],
)
def test_channels_and_rates_that_change(tmp_path, formats):
    source, parts = clip(tmp_path / "a.mp4", sound=tone(1)), []
    for number, (channels, rate) in enumerate(formats):
        part = tmp_path / f"{number}.ts"
        ffmpeg("-i", source, "-c:v", "copy", "-c:a", "ac3", "-ac", channels, "-ar", rate, part)
        parts.append(part)
    path = joined(tmp_path / "whole.ts", *parts)
    sound = media.read_sound(path)
    # Every codec frame that a part begins takes 32 to 48 ms.
    assert len(sound.samples) / media.SAMPLE_RATE == pytest.approx(len(formats), abs=0.1 * len(formats))
    seconds = [sound.samples[round((i + 0.4) * 16000) : round((i + 0.6) * 16000)] for i in range(len(formats))]
    assert all(np.abs(second).max() > 0.1 for second in seconds)
    assert len(list(media.read_frames(path))) == 20 * len(formats)
    assert media.loudness(path, 10, media.probe(path).duration).min() > 0.05


def test_channels_that_cancel_are_heard_one_by_one_and_it_is_said(tmp_path):
    voice = tone(1).samples
    path = stereo(tmp_path / "a.wav", voice, -voice)
    sound = media.read_sound(path)
    assert level(sound) == pytest.approx(0.3, abs=0.02)
    assert sound.notices == (
        "The sound's channels cancel each other when they are mixed to one: the left channel alone is heard.",
    )
    right = media.read_sound(stereo(tmp_path / "b.wav", -0.9 * voice, voice))
    assert "the right channel" in right.notices[0]
    assert sound.notices[0] in extract(path, FeatureStore(tmp_path / "store")).notices


@pytest.mark.parametrize("other", [0.0, 0.5, 1.0])
def test_channels_that_do_not_cancel_are_mixed(tmp_path, other):
    voice = tone(1).samples
    sound = media.read_sound(stereo(tmp_path / "a.wav", voice, other * voice))
    assert sound.notices == ()
    # Each at 0.71, as FFmpeg mixes, so that two voices are as loud as one.
    assert level(sound) == pytest.approx(0.3 * (1 + other) * 0.71, abs=0.03)


def test_silence_is_no_cancelling(tmp_path):
    assert media.read_sound(stereo(tmp_path / "a.wav", np.zeros(16000), np.zeros(16000))).notices == ()


@pytest.mark.parametrize("kind", ["mkv", "mp4", "ts"])
def test_the_first_track_with_sound_is_heard_and_another_can_be_chosen(tmp_path, kind):
    path = two_tracks(tmp_path / f"a.{kind}", tone(1, 0.0), tone(1))
    assert media.heard_track(path) == 2
    assert level(media.read_sound(path)) > 0.2
    assert level(media.read_sound(path, track=1)) < 0.01
    assert [track.number for track in media.listed_tracks(path)] == [1, 2]
    with pytest.raises(UserError, match="2 sound tracks, 1 to 2: there is no track 3"):
        media.read_sound(path, track=3)
    (remark,) = media.remarks(path)
    assert "2 sound tracks: number 2 is heard, the first with sound" in remark
    # Browsers play the first track.
    copy = media.browser_copy(path, tmp_path / "copy.mp4")
    assert copy != path
    assert level(media.read_sound(copy)) > 0.2
    assert level(media.read_sound(cut(path, tmp_path / "cut.mp4", 0, 0.8, track=1))) < 0.01


def test_of_two_tracks_with_sound_the_first(tmp_path):
    path = two_tracks(tmp_path / "a.mp4", tone(1, 0.1), tone(1, 0.6))
    assert media.heard_track(path) == 1
    assert media.probe(path).browser_playable
    assert not media.probe(path, track=2).browser_playable


def test_each_track_has_features_of_its_own(tmp_path):
    path, store = two_tracks(tmp_path / "a.mkv", tone(1, 0.1), tone(1, 0.6)), FeatureStore(tmp_path / "store")
    levels = [float(extract(path, store, track=track).envelope.max()) for track in (None, 2, 1, None)]
    assert levels == pytest.approx([0.1, 0.6, 0.1, 0.1], abs=0.05)


@pytest.mark.parametrize("kind", ["mkv", "mp4", "ts"])
def test_sound_that_begins_late_keeps_its_place_in_exports(tmp_path, kind):
    voice = media.Sound(np.concatenate([np.zeros(11200), tone(0.8).samples]).astype(np.float32), 0.0)
    late = tmp_path / "late.mp4"
    media.encode(late, [], media.Sound(voice.samples[8000:], 0.0))
    path = tmp_path / f"a.{kind}"
    ffmpeg("-i", clip(tmp_path / "p.mp4", 40), "-itsoffset", 0.5, "-i", late, "-map", "0:v", "-map", "1:a", "-c", "copy", path)

    def begins(sound):
        return sound.start + np.flatnonzero(np.abs(sound.samples) > 0.1)[0] / media.SAMPLE_RATE

    assert begins(media.read_sound(path)) == pytest.approx(0.7, abs=0.07)
    here = begins(media.read_sound(path))
    times = media.frame_times(path)
    timeline = Timeline(media.probe(path).duration, times, np.full((len(times), 4), np.nan, np.float32))
    out = export.overlay(path, timeline, tmp_path / "overlay.mp4")
    assert begins(media.read_sound(out)) == pytest.approx(here, abs=0.05)
    assert begins(media.read_sound(cut(path, tmp_path / "cut.mp4", 0.2, 1.5))) == pytest.approx(here - 0.2, abs=0.05)
    if kind != "mp4":
        assert begins(media.read_sound(media.browser_copy(path, tmp_path / "copy.mp4"))) == pytest.approx(here, abs=0.05)


def test_sound_that_stops_being_decodable_is_said(tmp_path):
    """MPEG-TS joined by `cat`, whose sound changes its codec on the way."""
    plain = clip(tmp_path / "plain.mp4", sound=tone(2.0), frames=40)
    parts = [tmp_path / "mp2.ts", tmp_path / "aac.ts"]
    for part, codec in zip(parts, ("mp2", "aac"), strict=True):
        ffmpeg("-i", plain, "-c:v", "copy", "-c:a", codec, "-f", "mpegts", part)
    # The remark came or not by what lay in memory that was given back: once is no proof.
    for _ in range(5):
        found = media.read_sound(joined(tmp_path / "whole.ts", *parts))
        assert found is not None
        assert found.start + len(found.samples) / media.SAMPLE_RATE == pytest.approx(2.0, abs=0.05)
        assert found.notices == ("From 2.0 s on the sound cannot be decoded: nothing is heard there.",)
    whole = media.read_sound(parts[0])
    assert whole is not None
    assert whole.notices == ()


@pytest.mark.parametrize("channels", [6, 8, 16])
def test_many_channels_are_heard(tmp_path, channels):
    """PyAV reads one plane too many of a frame with eight or more: memory of others, and the end of the process."""
    path = tmp_path / "many.wav"
    samples = np.zeros((16000, channels), "<i2")
    samples[:, -1] = (16000 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples.tobytes())
    recorded = media.read_recorded(path).samples
    assert recorded.shape == (channels, 16000)
    np.testing.assert_allclose(recorded[-1], samples[:, -1] / 32768, atol=1e-4)
    assert np.abs(recorded[:-1]).max() == 0
    heard = media.read_sound(path).samples
    assert np.corrcoef(heard[:15000], samples[:15000, -1])[0, 1] > 0.99


def test_samples_beyond_full_scale_are_told(tmp_path):
    path = tmp_path / "loud.wav"
    moments = np.arange(16000) / 16000
    wavfile.write(path, 16000, (3 * np.sin(2 * np.pi * 220 * moments)).astype(np.float32))
    sound = media.read_sound(path)
    assert np.abs(sound.samples).max() == 1
    assert sound.notices == ("78.2\N{NO-BREAK SPACE}% of the sound's samples are louder than full scale, and are cut off there.",)
    wavfile.write(path, 16000, (0.9 * np.sin(2 * np.pi * 220 * moments)).astype(np.float32))
    assert media.read_sound(path).notices == ()
