"""Pickles that nobody vouches for: arrays come out, and nothing is run."""

import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from affectscope.core.corpora.picklefiles import read_pickle
from affectscope.core.errors import UserError


class Bomb:
    """Runs a command wherever it is unpickled in earnest."""

    def __init__(self, call, *told):
        self.told = (call, told)

    def __reduce__(self):
        return self.told


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_and_containers_come_back_as_they_were(tmp_path, protocol):
    arrays = [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([[b"ab", b"c"]]),
        np.array(["wide", "ü"]),
        np.arange(3, dtype=">i2"),
        np.array([True, False]),
        np.zeros((0, 74)),
        np.array(["a", 1, None, [2, 3]], object),
    ]
    other = {
        "ids": ["x", ("y", 1)],
        "numbers": (np.float32(2.5), np.int64(3)),
        "set": {1},
        "bytes": b"\x00\xff",
        "o": OrderedDict(a=1),
    }
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"arrays": arrays, **other}, protocol))
    found = read_pickle(tmp_path / "a.pkl")
    for ours, theirs in zip(found.pop("arrays"), arrays, strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.tolist() == theirs.tolist()
    assert found == other


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_nothing_that_a_pickle_asks_for_is_run(tmp_path, protocol):
    trace = tmp_path / "trace"
    bombs = [
        Bomb(os.system, f"touch {trace}"),
        Bomb(eval, f"open({str(trace)!r}, 'w')"),
        Bomb(getattr, "x", "upper"),
        Bomb(np.load, str(trace)),
        Bomb(np.memmap, str(trace), "uint8", "w+", 0, (1,)),
        Bomb(np.frombuffer, b"1234"),
        Bomb(__import__, "antigravity"),
    ]
    for bomb in bombs:
        for content in (bomb, {"train": {"audio": [np.zeros(3), bomb]}}):
            (tmp_path / "bomb.pkl").write_bytes(pickle.dumps(content, protocol))
            with pytest.raises(UserError, match="nothing of it was run"):
                read_pickle(tmp_path / "bomb.pkl")
    assert not trace.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle at all",
        pickle.dumps(np.arange(99))[:60],
        # An array that claims to be larger than it is.
        pickle.dumps(np.arange(4, dtype=np.int64)).replace(b"K\x04\x85", b"K\xff\x85"),
        # More bytes, and a larger memo, than any file has.
        b"\x80\x04\x8e" + (1 << 60).to_bytes(8, "little") + b"abc.",
        b"\x80\x04]r\xff\xff\xff\x7f0h\x00.",
        b"\x80\x05\x96" + (1 << 36).to_bytes(8, "little") + b"abc.",
        # A list that holds itself.
        b"\x80\x04]\x94h\x00a.",
        # An answer of the reader's is not to be changed: BUILD on what stands for numpy's dtype.
        b"cnumpy\ndtype\n}S'_make'\nI1\nsb.",
        b"cnumpy\ndtype\n(N}S'_make'\nI1\nstb.",
        b"\x82\x01.",
        b"Pelsewhere\n.",
        b"cos\nsystem\n.",
        b"\x80\x04\x8c\x08builtins\x8c\x09bytearray\x93J\xff\xff\xff\x7f\x85R.",
    ],
)
def test_made_up_files_are_one_sentence(tmp_path, content):
    (tmp_path / "made-up.pkl").write_bytes(content)
    with pytest.raises(UserError, match=r"made-up\.pkl"):
        read_pickle(tmp_path / "made-up.pkl")


def test_what_reads_is_as_it_was_after_all_that(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(np.arange(3)))
    assert read_pickle(tmp_path / "a.pkl").tolist() == [0, 1, 2]
