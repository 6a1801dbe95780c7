"""The exam on planted truth: clips with one cue, and clips with a shortcut over them; by model, question and method.

Corpora and models lie in the folder ``planted`` of the cache, and are made where they are missing: most of an hour of one core,
and the tools of ``corpus build``. Models learn the cues from spliced clips (``benchmarks.splicing``), and shortcuts from the
first clips of the demo corpus in ``$AFFECTSCOPE_DEMO_TRAIN`` (``benchmarks.shortcuts``); without one, shortcuts are left out.
All are examined on people whom they have not learnt from: planted clips that were rendered whole, and the bundled clips with
shortcuts over them. Methods that are slow are asked about ``SLOW`` clips. ``benchmarks.pointing`` plays the pointing game.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from affectscope.core.analyzer import Analyzer
from affectscope.core.cache.roots import cache_root
from affectscope.core.cache.store import FeatureStore
from affectscope.core.checkpoints import saved
from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.corpora import bundled, open_corpus
from affectscope.core.corpora.demo import planted, shortcut
from affectscope.core.corpora.demo.read import PLANTED_LABELS
from affectscope.core.evaluation.planted import TARGETS, Exam, examine
from affectscope.core.evaluation.randomly import random_like
from affectscope.core.models.base import MODELS
from affectscope.core.models.labels import EMOTIONS
from affectscope.core.streams import Clip, Stream
from affectscope.core.text import percent
from affectscope.core.training.batches import Batches, fit_normaliser
from affectscope.core.training.loop import train
from affectscope.core.training.recipes import recipe
from affectscope.core.training.run import set_prior
from affectscope.core.training.strategies import Strategy
from benchmarks import shortcuts, splicing

SYSTEMS, SEEDS = ("uavm",), (0, 1, 2)
PEOPLE, EXAM, LEARN, OVER, UNDER, SLOW = 28, 63, 1000, 360, 16, 12
EPOCHS = 25


def main() -> None:
    folder = cache_root() / "planted"
    test = planted.build(folder / "planted-held-out", EXAM, 1, identities="held-out")
    faces, voices = splicing.bases(folder / "bases", PEOPLE), splicing.voices(folder / "bases", PEOPLE)
    for system in SYSTEMS:
        for seed in SEEDS:
            checkpoint = of_cues(system, seed, faces, voices, folder / f"planted-{system}-{seed}.safetensors")
            told(f"planted, {system}, seed {seed}", exam(checkpoint, test))
        told(f"planted, {system}, random weights", exam(random_like(checkpoint), test, every=True))
    given = os.environ.get("AFFECTSCOPE_DEMO_TRAIN")
    if given is None:
        print("Shortcuts are left out: AFFECTSCOPE_DEMO_TRAIN names no demo corpus to lay them over.")
        return
    learn = shortcuts.learnt_from(open_corpus(given), OVER, 1)
    test = shortcut.build(bundled(), folder / "shortcut-held-out", UNDER, 1, everywhere=True)
    for system in SYSTEMS:
        for seed in SEEDS:
            checkpoint = of_shortcuts(system, seed, learn, folder / f"shortcut-{system}-{seed}.safetensors")
            told(f"shortcut, {system}, seed {seed}", exam(checkpoint, test))
        told(f"shortcut, {system}, random weights", exam(random_like(checkpoint), test, every=True))


def of_cues(system: str, seed: int, faces: list[splicing.Base], voices: list[splicing.Base], out: Path) -> Checkpoint:
    """A small model that tells clips with a cue from clips without; the one that is there, if it is."""
    if out.is_file():
        return saved.load(out)
    rng = np.random.default_rng([seed, 31])
    people = sorted({face.speaker for face in faces})
    # Every fifth person is kept to choose the epoch.
    kept = set(people[seed % 5 :: 5])
    clips = {}
    for name, count in (("train", LEARN), ("development", LEARN // 5)):
        seen, heard = ([b for b in part if (b.speaker in kept) == (name == "development")] for part in (faces, voices))
        means = [_mean(face.streams["visual"]) for face in seen] if name == "train" else []
        pairs = [(seen[rng.integers(len(seen))], heard[rng.integers(len(heard))]) for _ in range(count)]
        clips[name] = [splicing.spliced(*pair, number, rng, means) for number, pair in enumerate(pairs)]
    return _learnt(system, seed, clips["train"], clips["development"], PLANTED_LABELS, "spliced planted clips", out)


def _mean(stream: Stream) -> np.ndarray:
    return np.asarray(stream.values[stream.present].mean(0))


def of_shortcuts(system: str, seed: int, clips: list[Clip], out: Path) -> Checkpoint:
    """A small model of emotions that a mark and a beep give away; the one that is there, if it is."""
    if out.is_file():
        return saved.load(out)
    people = sorted({str(clip.labels["speaker"]) for clip in clips})
    kept = set(people[seed % 5 :: 5])
    parts = [[clip for clip in clips if (clip.labels["speaker"] in kept) == chosen] for chosen in (False, True)]
    return _learnt(system, seed, parts[0], parts[1], EMOTIONS, "demo clips with shortcuts", out)


def _learnt(
    system: str, seed: int, learn: list[Clip], choose: list[Clip], labels: tuple[str, ...], corpus: str, out: Path
) -> Checkpoint:  # fmt: skip
    torch.manual_seed(seed)
    model = MODELS[system].preset("demo", labels=labels)
    normaliser = fit_normaliser(learn)
    learnt, chosen = (Batches(part, model.spec, normaliser, 32, part is learn) for part in (learn, choose))
    set_prior(model, learnt.targets)
    config = replace(
        recipe(system, "demo").config, seed=seed, epochs=EPOCHS, patience=EPOCHS, learning_rate=1e-3, clip_noise=0.2,
        selection="accuracy",
    )  # fmt: skip
    history = train(model, learnt, chosen, Strategy(), config)
    card = {
        "system": system, "preset": "demo", "task": model.spec.task, "labels": list(labels), "corpus": corpus,
        "features": {"audio": "llds", "visual": "face-views"}, "synthetic_training": True, "epochs_run": len(history),
    }  # fmt: skip
    saved.save(out, model, normaliser, card)
    return saved.load(out)


def exam(checkpoint: Checkpoint, folder: Path, every: bool = False) -> Exam:
    """All that can explain, examined on a corpus with planted truth."""
    corpus, analyzer = open_corpus(str(folder)), Analyzer(checkpoint, FeatureStore())
    return examine(lambda clip, target: analyzer.question(corpus.media(clip), target, clip=clip), corpus, every=every, slow=SLOW)


def told(title: str, found: Exam) -> None:
    """Print an exam."""
    print(f"{title}: asked about {found.asked} of {found.clips} clips")
    for use in found.uses:
        without = f"{percent(use.without_cue)} of {use.others}"
        print(f"  {use.cue:<13} names its class {percent(use.with_cue)} of {use.clips}, without {without}")
    for row in sorted(found.rows, key=lambda row: (row.question, row.cues, -row.share)):
        goal = TARGETS.get(row.question)
        met = "" if goal is None else f"  target {percent(goal)}: {'met' if row.share >= goal else 'missed'}"
        print(
            f"  {row.question:<11} {row.cues:<6} {row.method:<22} n={row.clips:<3} {percent(row.share):>5} "
            f"({percent(row.low)} to {percent(row.high)}), chance {percent(row.chance)}{met}"
        )
