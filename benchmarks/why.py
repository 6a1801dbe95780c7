"""How long why takes after the answer, and another class or method: of the bundled clip nearest to three seconds."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from affectscope.core.analyzer import Analyzer
from affectscope.core.cache.store import FeatureStore
from affectscope.core.corpora import bundled
from affectscope.core.library import named
from affectscope.core.media import probe
from affectscope.core.threads import fit_thread_pools
from affectscope.core.why import said

TARGETS = {"modalities and sentence": (True, 0.5), "the whole": (False, 3.0)}
SECONDS, REPEATS, SWITCH = 3.0, 3, 1.0
# Half a minute each.
LONG = ("score-cam",)


def main() -> None:
    fit_thread_pools()
    corpus = bundled()
    checkpoint = named.checkpoint("auxformer")
    with tempfile.TemporaryDirectory() as folder:
        analyzer = Analyzer(checkpoint, FeatureStore(Path(folder), shipped=[corpus.features] if corpus.features else []))
        lengths = {clip: probe(corpus.media(clip)).duration for clip in map(str, corpus.table.index)}
        clip = min(lengths, key=lambda name: abs(lengths[name] - SECONDS))
        media = corpus.media(clip)
        # What the player's answer has loaded and kept.
        analyzer.analyze(media)
        analyzer.why(media)
        print(f"{clip}, {lengths[clip]:.2f} s, auxformer")
        for name, (quick, target) in TARGETS.items():
            _timed(name, partial(_why, analyzer, media, quick), target)
        _timed("another class", partial(analyzer.analyze, media, explain=checkpoint.spec.labels[0]), SWITCH)
        shown = analyzer.analyze(media)
        for name in shown.explanations:
            if name not in LONG:
                _timed(f"heatmap by {name}", partial(analyzer.analyze, media, explanation=name), SWITCH)
        for name in shown.sound_explanations:
            _timed(f"sound by {name}", partial(analyzer.analyze, media, sound=name), SWITCH)


def _why(analyzer: Analyzer, media: Path, quick: bool) -> str:
    return said(analyzer.why(media, quick=quick))


def _timed(name: str, work: Callable[[], object], target: float) -> None:
    walls, works = [], []
    for _ in range(REPEATS):
        begin, before = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - begin)
        works.append(time.process_time() - before)
    met = "met" if median(walls) <= target else "MISSED"
    print(f"  {name:<32} {median(walls):6.2f} s ({median(works):.2f} s of processors)  target {target:g} s: {met}")
