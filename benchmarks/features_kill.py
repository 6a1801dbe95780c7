"""``python -m benchmarks.features_kill``: an extraction that is killed at ten random moments, and what becomes of it.

Each of ten runs over some bundled clips, with two workers, is killed with SIGKILL; then another goes on. The store has to be that
of a run that nobody disturbed, to the byte, and no clip that was finished may be extracted again. Last, the same on Ray.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from affectscope.core.cache.store import cache_root
from affectscope.core.corpora import Corpus, bundled
from affectscope.core.features.bulk.run import extract_corpus
from affectscope.core.features.stored.packed import CLIPS
from affectscope.core.features.stored.shards import UNREAD, Shard

SETS = ("llds-32-16", "face-maps", "faces-96")
KILLS, COUNT, WORKERS = 10, 12, 2


def main() -> None:
    corpus = bundled()
    corpus = replace(corpus, table=corpus.table.iloc[:COUNT])
    cache_root().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_root()) as name:
        folder = Path(name)
        extract_corpus(corpus, SETS, folder / "first", WORKERS)
        whole = _files(folder / "first")
        print(f"{COUNT} clips, {', '.join(SETS)}")
        moments = random.Random(0)
        for number in range(KILLS):
            _once(corpus, folder / str(number), moments.randrange(COUNT), moments.uniform(0, 1), whole)
        extract_corpus(corpus, SETS, folder / "ray", WORKERS, engine="ray")
        print(f"  on Ray, {WORKERS} workers: {'the same bytes' if _files(folder / 'ray') == whole else 'OTHER BYTES'}")


def _once(corpus: Corpus, store: Path, clips: int, seconds: float, whole: dict[str, bytes]) -> None:
    """A run that is killed so many seconds after so many clips are finished; how long a clip takes depends on the machine."""
    run = subprocess.Popen([sys.executable, "-m", "benchmarks.features_kill", str(store)])
    while run.poll() is None and not (store.is_dir() and len(_finished(store)) >= clips):
        time.sleep(0.05)
    time.sleep(seconds)
    run.send_signal(signal.SIGKILL)
    run.wait()
    before = _finished(store)
    outcome = extract_corpus(corpus, SETS, store, WORKERS)
    twice = outcome.extracted - (COUNT - len(before))
    same = _files(store) == whole
    print(
        f"  killed {seconds:.2f} s after clip {clips:2}: {len(before):2} of {COUNT} finished, {outcome.extracted:2} extracted "
        f"then, {twice} twice; {'the same bytes' if same else 'OTHER BYTES'}",
        flush=True,
    )


def _finished(store: Path) -> set[str]:
    """Contents of which all sets have the features."""
    found: dict[str, set[str]] = {}
    for path in list(store.rglob("*.safetensors")):
        content = path.relative_to(store).parts[0]
        # While a run is at work, a part may become a shard before it is looked at.
        with suppress(FileNotFoundError):
            found.setdefault(content, set()).update(set() if path.name[0] == "." else set(Shard(path).content) - {UNREAD})
    return set.intersection(*found.values()) if len(found) == len(SETS) else set()


def _files(store: Path) -> dict[str, bytes]:
    assert len(list(store.glob(f"*/{CLIPS}"))) == len(SETS)
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        some = bundled()
        extract_corpus(replace(some, table=some.table.iloc[:COUNT]), SETS, Path(sys.argv[1]), WORKERS)
    else:
        main()
