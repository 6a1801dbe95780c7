import json

import numpy as np
import pandas as pd

from affectscope.core.analysis.columns import columns, modalities, pack

TABLE = pd.DataFrame(
    {
        "path": list("wxyz"),
        "note": ["every", "one", "is", "different"],
        "speaker": ["s10", "s2", "s2", "s10"],
        "confidence": [0.5, 0.25, np.nan, 1],
        "label": ["joy", "fear", "joy", None],
        "correct": [True, False, True, True],
        "take": [1, 2, 1, 2],
    },
    index=list("abcd"),
)


def test_columns_by_hand():
    made = {column.name: column for column in columns(TABLE, ("joy", "anger", "fear"))}
    assert list(made) == ["label", "correct", "confidence", "speaker", "take"]
    assert made["label"].names == ("joy", "fear", "unknown")
    assert made["label"].values.tolist() == [0, 1, 0, 2]
    assert made["speaker"].names == ("s2", "s10")
    assert made["correct"].names == ("no", "yes")
    assert made["take"].names == ("1", "2")
    assert not made["confidence"].classes
    np.testing.assert_array_equal(made["confidence"].values, np.array([0.5, 0.25, np.nan, 1], np.float32))


def test_modalities_in_words():
    present = {"audio": np.array([True, True, False, False]), "visual": np.array([True, False, True, False])}
    assert modalities(present) == ["audio + visual", "audio only", "visual only", "none"]
    assert modalities({"audio": np.array([True, False])}) == ["audio", "none"]


def test_packed_columns_can_be_read_where_the_header_says():
    made = columns(TABLE.iloc[:3], ())
    data = pack(["a", "<b>", "é"], made)
    size = int.from_bytes(data[:4], "little")
    header = json.loads(data[4 : 4 + size])
    assert (4 + size) % 4 == 0
    assert header["ids"] == ["a", "<b>", "é"]
    for described, column in zip(header["columns"], made, strict=True):
        kind = "<u2" if described["names"] else "<f4"
        np.testing.assert_array_equal(np.frombuffer(data, kind, 3, 4 + size + described["at"]), column.values)
        assert described["at"] % 4 == 0
