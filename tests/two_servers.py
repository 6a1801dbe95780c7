"""``python -m tests.two_servers [SECONDS [SEED]]``: two processes on one cache and one folder of data, and no wrong answer.

Both keep and read the same analyses, features and maps, while one of them is damaged or swept away now and then; both write on
the same note, rename and label the same clip, and add corpora. What is read is what was written under that key, or nothing; what
was finished is there at the end.
"""

from __future__ import annotations

import io
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from affectscope.app.own import store
from affectscope.app.services import analyses
from affectscope.app.serving import tidy
from affectscope.core.analysis import atlas
from affectscope.core.cache.store import FeatureStore, cache_root
from affectscope.core.corpora import known
from affectscope.core.corpora.known import Known
from affectscope.core.errors import UserError
from affectscope.core.notebook import notes
from affectscope.core.notebook.notes import Note
from tests.killed import made
from tests.media_files import clip

KEYS = 12


class Person:
    """One of the two, who remembers what is to be there at the end."""

    def __init__(self, number: int, own: str, seed: int) -> None:
        self.number, self.own, self.draw = number, own, random.Random(f"{seed} {number}")
        self.said: Counter[str] = Counter()
        self.label, self.name, self.noted, self.added = "", "", 0, 0

    def analysis(self) -> str:
        key = str(self.draw.randrange(KEYS))
        found = analyses._read(key)
        if found is None:
            analyses._keep(made(int(key)), key)
            return ""
        try:
            whole = found.predictions["av"]["a"] == float(key) and analyses.timeline(found).title == key
        except UserError:
            # Damaged, or swept away, between two looks: that is said, and nothing else is shown.
            return ""
        return "" if whole else f"the analysis {key} says something else"

    def features(self) -> str:
        key = self.draw.randrange(KEYS)
        found = FeatureStore().get_or_make(str(key), lambda: {"values": np.full(5000, key)})
        return "" if (found["values"] == key).all() else f"the features {key} are others"

    def points(self) -> str:
        number = self.draw.randrange(KEYS)
        path = cache_root() / "maps" / f"{number}.f32"
        found = atlas.load(path, 500)
        if found is None:
            atlas.keep(np.full((500, 2), number, np.float32), path)
        return "" if found is None or (found == number).all() else f"the map {number} is another"

    def damage(self) -> str:
        paths = [path for name in ("analyses", "features", "maps") for path in (cache_root() / name).glob("[0-9]*")]
        for path in self.draw.sample(paths, min(1, len(paths))):
            try:
                if self.draw.random() < 0.5:
                    path.unlink()
                    return ""
                content = bytearray(path.read_bytes())
                content[self.draw.randrange(len(content))] ^= 1 << self.draw.randrange(8)
                path.write_bytes(content)
            except (OSError, ValueError):
                pass
        return ""

    def note(self) -> str:
        try:
            before = notes.find(Note("demo", "clip", "m").id) or Note("demo", "clip", "m")
            after = notes.save(Note("demo", "clip", "m", text=f"{self.number}", revision=before.revision))
        except UserError:
            # The other was quicker.
            return ""
        self.noted += 1
        return "" if after.revision == before.revision + 1 else "a note skips a revision"

    def mine(self) -> str:
        value = f"{self.draw.randrange(10**6)}"
        if self.number:
            store.rename(self.own, value)
            self.name = value
        else:
            store.relabel(self.own, value)
            self.label = value
        found = store.find(self.own)
        if found is None:
            return "a person's own clip is gone"
        return "" if (found.name if self.number else found.label) == value else "what was noted of a clip is lost"

    def corpus(self) -> str:
        if self.added < 40:
            known.remember(f"c{self.number}-{self.added}", Known("/data", "folder"))
            self.added += 1
        return "" if f"c{self.number}-0" in known.known() or not self.added else "a corpus is lost"

    def sweep(self) -> str:
        tidy.tidy()
        return ""


WORK = ("analysis",) * 4 + ("features",) * 3 + ("points",) * 3 + ("damage", "note", "mine", "corpus", "sweep")


def work(number: int, own: str, seed: int, until: float, says: int) -> None:
    person, faults = Person(number, own, seed), []
    while time.time() < until:
        name = person.draw.choice(WORK)
        person.said[name] += 1
        if fault := getattr(person, name)():
            faults.append(fault)
    facts = (sum(person.said.values()), person.noted, person.added, person.label, person.name, "; ".join(faults[:5]))
    os.write(says, ("\t".join(map(str, facts)) + "\n").encode())


def main(seconds: float, seed: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"AFFECTSCOPE_CACHE": f"{folder}/cache", "AFFECTSCOPE_DATA": f"{folder}/data"}
        own = store.save("film.mp4", io.BytesIO(clip(Path(folder) / "film.mp4", frames=5).read_bytes()))
        hears, says = os.pipe()
        children = []
        until = time.time() + seconds
        for number in range(2):
            if (child := os.fork()) == 0:
                code = 1
                try:
                    work(number, own, seed, until, says)
                    code = 0
                finally:
                    os._exit(code)
            children.append(child)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        os.close(says)
        with os.fdopen(hears, "rb") as heard:
            told = [line.split("\t") for line in heard.read().decode().splitlines()]
        faults = [person[5] for person in told if person[5]] + [f"a process ended with {code}" for code in codes if code]
        faults += _at_the_end(told, own) if len(told) == 2 else []
    done = sum(int(person[0]) for person in told)
    print(f"two processes, {seconds:g} s: {done} pieces of work, {len(faults)} wrong")
    for fault in faults:
        print(f"  {fault}")
    return int(bool(faults))


def _at_the_end(told: list[list[str]], own: str) -> list[str]:
    faults = []
    saved, note = sum(int(person[1]) for person in told), notes.find(Note("demo", "clip", "m").id)
    if (note.revision if note else 0) != saved:
        faults.append(f"{saved} savings of a note, and its revision is {note.revision if note else 0}")
    if len(known.known()) != sum(int(person[2]) for person in told):
        faults.append(f"{len(known.known())} corpora are known, and {[person[2] for person in told]} were added")
    found = store.find(own)
    label, name = (
        next((person[3] for person in told if person[3]), None),
        next((person[4] for person in told if person[4]), "film.mp4"),
    )
    if found is None or (found.label, found.name) != (label, name):
        faults.append(f"a clip is called {found and found.name} and {found and found.label}, not {name} and {label}")
    return faults


if __name__ == "__main__":
    given = [float(word) for word in sys.argv[1:]]
    sys.exit(main(*(given + [120.0, 0.0][len(given) :])))  # type: ignore[arg-type]
