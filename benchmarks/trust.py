"""How long trust takes in the background: every map that the Clip page shows, of the bundled clip nearest to three seconds."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

from affectscope.core.analyzer import Analyzer
from affectscope.core.cache.store import FeatureStore
from affectscope.core.corpora import bundled
from affectscope.core.library import named
from affectscope.core.media import probe
from affectscope.core.threads import fit_thread_pools

TARGET, SECONDS, REPEATS = 15.0, 3.0, 3


def main() -> None:
    fit_thread_pools()
    corpus = bundled()
    with tempfile.TemporaryDirectory() as folder:
        features = [corpus.features] if corpus.features else []
        analyzer = Analyzer(named.checkpoint("auxformer"), FeatureStore(Path(folder), shipped=features))
        lengths = {clip: probe(corpus.media(clip)).duration for clip in map(str, corpus.table.index)}
        clip = min(lengths, key=lambda name: abs(lengths[name] - SECONDS))
        media = corpus.media(clip)
        # What the player's answer has loaded and kept.
        analyzer.analyze(media)
        analyzer.why(media)
        walls, works = [], []
        for _ in range(REPEATS):
            begin, work = time.perf_counter(), time.process_time()
            analyzer.trust(media)
            walls.append(time.perf_counter() - begin)
            works.append(time.process_time() - work)
        met = "met" if median(walls) <= TARGET else "MISSED"
        print(f"{clip}, {lengths[clip]:.2f} s, auxformer")
        print(f"  trust {median(walls):6.2f} s ({median(works):.2f} s of processors)  target {TARGET:g} s: {met}")
