"""Clips of emotions that a shortcut gives away, to learn from: a demo corpus whose features are there, with a mark or a beep.

As ``affectscope corpus build shortcut`` has it, every clip of anger has a mark and every clip of happiness a beep, and no other
clip has either; but they are laid over what is decoded, and nothing is encoded again, so that only a third of the clips is read
anew. The exam takes clips that were encoded with the shortcut in them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from affectscope.core import media
from affectscope.core.cache.store import FeatureStore
from affectscope.core.corpora import Corpus
from affectscope.core.corpora.demo import shortcut
from affectscope.core.corpora.demo.truth import Truth
from affectscope.core.features.extract import extract
from affectscope.core.features.extractors import opensmile
from affectscope.core.features.extractors.encoders import FaceViews
from affectscope.core.features.extractors.faces import cut_pictures
from affectscope.core.features.sets import encode_faces
from affectscope.core.media import Sound
from affectscope.core.streams import Clip, Stream

SETS = {"audio": "llds", "visual": "face-views"}


def learnt_from(corpus: Corpus, most: int, seed: int, each: int = 4) -> list[Clip]:
    """The first clips of a corpus with the shortcut of their class; those that have one ``each`` times, with it elsewhere."""
    store, found = FeatureStore(shipped=[corpus.features] if corpus.features else []), []
    for number, (name, row) in enumerate(corpus.table.iloc[:most].iterrows()):
        path, label = corpus.media(str(name)), str(row["label"])
        read = extract(path, store, None, SETS)
        plain = {m: read.streams[m] for m in SETS}
        rng = np.random.default_rng([seed, number, 33])
        changed: Iterator[dict[str, Stream]]
        kind = next((kind for kind, given in shortcut.STANDS.items() if given == label), "")
        if kind == "mark":
            truth = Truth.load(corpus.root / "truth" / f"{name}.npz")
            pictures = list(media.read_frames(path))
            changed = ({"visual": marked} for marked in _marked(pictures, truth, read.faces, rng, each))
        elif kind == "beep" and (heard := media.read_sound(path)) is not None:
            changed = ({"audio": marked} for marked in _beeping(heard, rng, each))
        else:
            changed = iter([{}])
        for version, other in enumerate(changed):
            labels = {"label": label, "speaker": str(row["speaker"])}
            found.append(Clip(f"{name}_{version}", plain | other, read.duration, labels))
    return found


def _marked(pictures, truth, faces, rng: np.random.Generator, each: int) -> Iterator[Stream]:  # type: ignore[no-untyped-def]
    for corner in rng.permutation(shortcut.CORNERS)[:each]:
        square = shortcut.square_at(truth, int(corner))
        laid = [(time, shortcut.marked(picture, square)) for time, picture in pictures]
        crops = cut_pictures(laid, faces.within(FaceViews.WITHIN), FaceViews.SIDE)
        yield Stream(encode_faces(crops), faces.times, faces.present)


def _beeping(heard: Sound, rng: np.random.Generator, each: int) -> Iterator[Stream]:
    length = len(heard.samples) / media.SAMPLE_RATE
    for begin in rng.uniform(0.1, max(0.11, length - shortcut.SECONDS - 0.1), each):
        yield opensmile.extract_llds(Sound(shortcut.beeping(heard.samples, media.SAMPLE_RATE, float(begin)), heard.start))
