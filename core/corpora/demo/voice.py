"""A person's voice saying a sentence with an emotion, and its recording."""

from functools import lru_cache

import numpy as np

from affectscope.core.corpora.demo import acting, channel, recorded, speech, vocoder
from affectscope.core.corpora.demo.identities import Identity
from affectscope.core.corpora.demo.manner import deviating, manner, mixed
from affectscope.core.corpora.demo.script import SENTENCES, Plan

RATE = speech.RATE


def perform(plan: Plan, identity: Identity, rng: np.random.Generator) -> speech.Speech:
    """Speak the plan's sentence as its `audio_emotion` at its level, without room or noise."""
    habit = np.random.default_rng([int.from_bytes(identity.name.encode(), "little"), 61])
    mood = manner(plan.audio_emotion, plan.voice_level, habit, rng)
    if plan.second:
        mood = mixed(mood, manner(plan.second, plan.voice_level, habit, rng), plan.second_share)
    return acting.speak(plainly(plan.sentence, identity.voice.source), identity.voice, deviating(mood, rng), rng)


@lru_cache(maxsize=64)
def plainly(sentence: str, source: str) -> vocoder.Utterance:
    """A sentence as spoken by the source voice."""
    text = SENTENCES[sentence]
    if source.startswith("espeak "):
        return vocoder.analyse(speech.say(text, source.removeprefix("espeak "), rate=165, pitch=45, range_=55))
    return vocoder.analyse(recorded.say(text, source))


def mix(spoken: speech.Speech, plan: Plan, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The clip's sound [N] float32, with silence around the speech, room and noise, and the phonemes' edges in it."""
    start = plan.lead + plan.av_offset
    length = int((plan.lead + len(spoken.samples) / RATE + plan.tail) * RATE)
    sound: np.ndarray = np.zeros(length, np.float32)
    first = max(0, int(start * RATE))
    fitting = spoken.samples[: length - first]
    sound[first : first + len(fitting)] = fitting
    sound = channel.through(channel.roomy(sound, rng), rng)
    # The noise level is the room's, independent of the speaker's loudness.
    sound = sound + channel.noise(length, rng) * 10 ** ((-26 - plan.snr) / 20)
    return channel.levelled(sound, plan.loudness), spoken.edges + first / RATE
