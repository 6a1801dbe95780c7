import numpy as np
import pytest

from affectscope.core.cache.store import FeatureStore, content_hash, key_of, write_atomically


def test_what_is_made_once_is_not_made_again(tmp_path):
    store, calls = FeatureStore(tmp_path), []

    def make():
        calls.append(1)
        return {"a": np.arange(3)}

    for _ in range(2):
        assert store.get_or_make("key", make)["a"].tolist() == [0, 1, 2]
    assert len(calls) == 1


@pytest.mark.parametrize("broken", [b"", b"PK\x03\x04 half", b"\x80\x04N."])
def test_a_broken_file_is_a_miss(tmp_path, broken):
    (tmp_path / "key.npz").write_bytes(broken)
    assert FeatureStore(tmp_path).get("key") is None


def test_objects_are_not_unpickled(tmp_path):
    np.savez(tmp_path / "key.npz", a=np.array([{}], object))
    assert FeatureStore(tmp_path).get("key") is None


def test_a_failed_write_leaves_nothing(tmp_path):
    def fail(path):
        path.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(tmp_path / "out.npz", fail)
    assert list(tmp_path.iterdir()) == []


def test_shipped_features_are_read_and_never_written(tmp_path):
    shipped, own = FeatureStore(tmp_path / "shipped"), FeatureStore(tmp_path / "own", shipped=[tmp_path / "shipped"])
    shipped.put("key", {"a": np.ones(1)})
    assert own.get("key") is not None
    own.put("other", {"a": np.ones(1)})
    assert shipped.get("other") is None


def test_keys_follow_content(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_text("x")
    b.write_text("x")
    assert content_hash(a) == content_hash(b)
    b.write_text("yy")
    assert content_hash(a) != content_hash(b)
    assert key_of("visual", 1) != key_of("visual", 2)
