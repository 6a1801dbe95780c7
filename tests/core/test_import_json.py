"""Predictions in JSON, whatever wrote it, and cells that hold several classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from affectscope.core.errors import UserError
from affectscope.core.imports import jsontext, read
from affectscope.core.imports.layout import understand

ROWS = [{"clip": name, "joy": joy, "fear": 1 - joy} for name, joy in (("a.mp4", 0.25), ("b.mp4", 1.0), ("c.mp4", 0.5))]
NESTED = [{"clip": row["clip"], "net": {"joy": row["joy"], "fear": row["fear"]}} for row in ROWS]
SCORED = [
    {"clip": row["clip"], "net": [{"label": name, "score": row[name]} for name in ("joy", "fear")]} for row in ROWS
]  # fmt: skip
FRAME = pd.DataFrame(ROWS)


def answers(path: Path) -> tuple[list[str], dict[str, float | Any]]:
    made = understand(read.read(path), "mine")
    (model,) = made.models.values()
    head = model.heads["decision"]
    return made.clips, {name: head.values[:, i].tolist() for i, name in enumerate(head.classes)}


@pytest.mark.parametrize(
    ("name", "text"),
    {
        "a.json": json.dumps(ROWS),
        "lines.jsonl": "\n".join(map(json.dumps, ROWS)) + "\n",
        "lines.ndjson": "\n\n".join(map(json.dumps, ROWS)),
        "bom.json": "\ufeff" + json.dumps(ROWS),
        "default.json": FRAME.to_json(),
        "records.json": FRAME.to_json(orient="records"),
        "index.json": FRAME.to_json(orient="index"),
        "split.json": FRAME.to_json(orient="split"),
        "schema.json": FRAME.to_json(orient="table", index=False),
        "named.json": FRAME.set_index("clip").to_json(orient="index"),
        "split-named.json": FRAME.set_index("clip").to_json(orient="split"),
        "lists.json": json.dumps(FRAME.to_dict("list")),
        "within.json": json.dumps({"model": "net", "results": ROWS}),
        "nested.json": json.dumps(NESTED),
        "nested.jsonl": "\n".join(map(json.dumps, NESTED)),
        "scored.json": json.dumps(SCORED),
        "batch.json": json.dumps([{"clip": row["clip"], "net": [row["net"]]} for row in SCORED]),
        "cells.csv": pd.DataFrame(NESTED).assign(net=[json.dumps(row["net"]) for row in NESTED]).to_csv(index=False),
        "printed.csv": pd.DataFrame(NESTED).to_csv(index=False),
        "scored.csv": pd.DataFrame(SCORED).to_csv(index=False),
    }.items(),
)
def test_rows_are_read_whatever_wrote_them(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    clips, shares = answers(path)
    assert clips == ["a.mp4", "b.mp4", "c.mp4"]
    assert shares == {"joy": [0.25, 1, 0.5], "fear": [0.75, 0, 0.5]}


@pytest.mark.parametrize("rows", [NESTED, SCORED], ids=["structs", "lists of structs"])
def test_structs_of_parquet_are_classes(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    pd.DataFrame(rows).to_parquet(tmp_path / "t.parquet")
    assert answers(tmp_path / "t.parquet") == (["a.mp4", "b.mp4", "c.mp4"], {"joy": [0.25, 1, 0.5], "fear": [0.75, 0, 0.5]})


def test_a_class_that_one_row_does_not_name_is_missing_there_and_other_rows_keep_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    lines = (
        '{"clip": "a", "joy": 1, "fear": "0.5"}',
        "nothing",
        '{"clip": "b", "fear": 0.25}',
        '{"clip": "c", "joy": NaN, "fear": 1}',
    )
    path.write_text("\n".join(lines))
    table = read.read(path)
    assert [str(problem) for problem in table.problems] == ["Row 2: no JSON object."]
    assert table.rows == [1, 3, 4]
    np.testing.assert_array_equal(table.numbers("joy"), [1, np.nan, np.nan])
    np.testing.assert_array_equal(table.numbers("fear"), [0.5, 0.25, 1])


def test_embeddings_and_attention_are_lists_as_in_parquet(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps([{**row, "net.embedding": [1.5, None, i]} for i, row in enumerate(ROWS)]))
    table = read.read(path)
    assert table.has_lists("net.embedding")
    np.testing.assert_array_equal(list(table.lists("net.embedding"))[2], np.float32([1.5, np.nan, 2]))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[{"clip": "a", "joy": 1, "joy": 0}]', "joy twice"),
        ('{"clip": "a", "joy": 1, "joy": 0}\n{"clip": "b", "joy": 1}', "joy twice"),
        ('[{"clip": "a", "net.joy": 1, "net": {"joy": 0, "fear": 1}}]', "net.joy twice"),
        ('{"architectures": ["ViT"], "model_type": "vit"}', "config"),
        ('{"metadata": {}, "weight_map": {"a": "b"}}', "index of a model"),
        ("[]", "no row"),
        ("3", "no rows"),
        ("hello\nworld", "cannot be read as JSON"),
        ("[" * 200_000, "nested too deeply|cannot be read"),
    ],
)
def test_what_is_no_table_is_refused_in_words(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(text)
    with pytest.raises(UserError, match=sentence):
        read.read(path)


def test_json_is_read_whole_so_large_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps(ROWS))
    monkeypatch.setattr(read, "LIMIT_MB_JSON", 0)
    with pytest.raises(UserError, match="Parquet"):
        read.read(path)


def test_names_of_rows_are_the_clips_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps({row["clip"]: {"joy": row["joy"], "fear": row["fear"]} for row in ROWS}))
    notes: list[str] = []
    assert [row[""] for _, row in jsontext.rows_of(path, "t.json", notes)] == ["a.mp4", "b.mp4", "c.mp4"]
    assert notes == ["Each key of the outermost object is taken for a clip's name."]
