import os
import time

import pytest

from affectscope.app.own import store
from affectscope.app.serving import tidy

DAY = 24 * 3600


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path))
    return tmp_path


def put(path, size=10, days=0.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    then = time.time() - days * DAY
    os.utime(path, (then, then))
    return path


def test_the_oldest_goes_until_the_rest_fits_and_nothing_of_today(cache, monkeypatch):
    monkeypatch.setattr(tidy, "MOST_BYTES", 25)
    old, older, new = (put(cache / place, 10, days) for place, days in (("analyses/a", 3), ("grids/b", 4), ("maps/c", 2)))
    features = put(cache / "features" / "kept.npz", 10, 400)
    tidy.tidy()
    assert [old.exists(), older.exists(), new.exists(), features.exists()] == [True, False, True, True]
    today = [put(cache / "thumbs" / str(i)) for i in range(4)]
    tidy.tidy()
    assert all(path.exists() for path in today)
    assert not old.exists()


def test_uploads_go_when_nobody_has_opened_them_for_long(cache):
    folder = cache / "uploads"
    for name in ("stale.mp4", "stale.json", "used.mp4", "used.json"):
        put(folder / name, days=31)
    (folder / "used.json").write_text('{"file": "used.mp4", "name": "mine.mp4"}')
    os.utime(folder / "used.json", (time.time() - 31 * DAY,) * 2)
    assert store.find("used").name == "mine.mp4"
    tidy.tidy()
    assert sorted(path.name for path in folder.glob("[!.]*")) == ["used.json", "used.mp4"]
