"""Features of the bundled clips, stored beside them, so that the first clip plays without extraction: `make bundled`."""

from __future__ import annotations

import shutil

from affectscope.core.cache.store import FeatureStore
from affectscope.core.corpora import bundled
from affectscope.core.features.clips import load_clips


def write() -> int:
    """Extract all bundled clips again into their own store. Returns their number.

    Raises:
        UserError: when one cannot be read.
    """
    corpus = bundled()
    features = corpus.root / "features"
    shutil.rmtree(features, ignore_errors=True)
    clips, broken = load_clips(corpus, FeatureStore(features, strict=True))
    if broken:
        raise SystemExit(broken[0])
    return len(clips)


if __name__ == "__main__":
    print(f"{write()} clips read.")
