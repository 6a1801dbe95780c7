"""The command line, as a stranger would use it."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from affectscope import core
from affectscope.core import cli
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.media import read_sound
from affectscope.core.models.auxformer import AuxFormer
from tests.media_files import clip, tone, two_tracks

run = CliRunner()


@pytest.fixture(scope="module")
def random_checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "random.safetensors"
    torch.manual_seed(0)
    card = {"synthetic_training": True}
    checkpoints.save(path, AuxFormer.preset("demo"), checkpoints.Normaliser(), card)
    return path


def test_analyze_writes_what_it_promises(random_checkpoint, tmp_path):
    video = clip(tmp_path / "clip.mp4", sound=tone(1))
    result = run.invoke(cli.app, ["analyze", str(video), "-c", str(random_checkpoint), "-o", str(tmp_path / "out"), "--json"])
    assert result.exit_code == 0, result.output
    rows = {row["head"]: row for row in json.loads(result.stdout)}
    assert (rows["visual"]["evidence"], rows["audio"]["evidence"]) == (False, True)
    content = json.loads((tmp_path / "out" / "analysis.json").read_text())
    assert {"predictions", "lanes", "frame_times", "notices"} <= content.keys()
    with np.load(tmp_path / "out" / "heatmaps.npz", allow_pickle=False) as arrays:
        assert arrays["times"].shape == (20,)
    assert content["no_heatmap"]["visual"] == "no face was found in this clip"
    assert "Note: No heatmap: no face was found in this clip." in result.stderr
    with np.load(tmp_path / "out" / "attention.npz", allow_pickle=False) as arrays:
        # Nobody looks at a face that is not there.
        names = [name for name in arrays if not name.endswith("_times")]
        assert names == ["fused.audio", "auxiliary.audio"]
        weights, times = arrays["auxiliary.audio"], arrays["auxiliary.audio.key_times"]
    assert weights.ndim == 4
    assert weights.shape[2:] == (len(times), len(times))
    np.testing.assert_allclose(weights.sum(-1, dtype=np.float32), 1, atol=2e-3)
    assert (tmp_path / "out" / "overlay.mp4").stat().st_size > 1000


def test_an_explanation_that_there_is_not_is_one_sentence(random_checkpoint, tmp_path):
    video = clip(tmp_path / "clip.mp4", sound=tone(1))
    words = ["analyze", str(video), "-c", str(random_checkpoint), "-o", str(tmp_path / "out"), "--no-video", "--json"]
    result = run.invoke(cli.app, [*words, "--explanation", "grad"])
    assert "called 'grad'; choose one of attention, attention-rollout, contrast, grad-cam" in str(result.exception)
    assert run.invoke(cli.app, [*words, "--explanation", "grad-cam"]).exit_code == 0


def test_analyze_writes_one_page(random_checkpoint, tmp_path):
    video = clip(tmp_path / "clip.mp4", sound=tone(1))
    out = tmp_path / "taken" / "home.html"
    result = run.invoke(cli.app, ["analyze", str(video), "-c", str(random_checkpoint), "--html", str(out)])
    assert result.exit_code == 0, result.output
    text = out.read_text(encoding="utf-8")
    assert {"data-clip", "data-timeline", "data-grid-0"} <= set(re.findall(r'id="(data-[\w-]+)"', text))
    assert "it has never seen a person" in text
    assert [path.name for path in out.parent.iterdir()] == ["home.html"]


def test_several_clips_are_a_row_each_and_a_broken_one_stops_none(random_checkpoint, tmp_path):
    folder = tmp_path / "clips"
    (folder / "inner").mkdir(parents=True)
    clip(folder / "12:30.mp4", sound=tone(1))
    clip(folder / "inner" / "12:30.mp4", sound=tone(1))
    (folder / "broken.mp4").write_text("no film")
    (folder / "notes.txt").write_text("no media")
    loud = clip(tmp_path / "loud.mkv.mp4", sound=tone(1))
    out, pages = tmp_path / "out", tmp_path / "pages"
    words = [
        "analyze",
        str(loud),
        str(folder),
        str(tmp_path / "nowhere.mp4"),
        "-c",
        str(random_checkpoint),
        "--no-video",
        "--json",
    ]
    result = run.invoke(cli.app, [*words, "-o", str(out), "--html", str(pages)])
    assert result.exit_code == 1, result.output
    rows = {row["file"]: row for row in json.loads(result.stdout)}
    assert list(rows) == [str(loud), *(str(folder / name) for name in ("12:30.mp4", "broken.mp4", "inner/12:30.mp4")),
                          str(tmp_path / "nowhere.mp4")]  # fmt: skip
    assert rows[str(folder / "broken.mp4")]["error"] == "broken.mp4 cannot be read as a video: it is damaged or of another kind."
    assert "There is no file" in rows[str(tmp_path / "nowhere.mp4")]["error"]
    good = [row for row in rows.values() if not row["error"]]
    assert [row["seconds"] for row in good] == pytest.approx([1.0] * 3, abs=0.06)
    assert all(0 <= row["probability"] <= 1 and row["says"] for row in good)
    assert sorted(path.name for path in out.iterdir()) == ["12:30", "12:30 (2)", "loud.mkv"]
    assert sorted(path.name for path in pages.iterdir()) == ["12:30 (2).html", "12:30.html", "loud.mkv.html"]


def test_a_sound_track_is_chosen(random_checkpoint, tmp_path):
    path = two_tracks(tmp_path / "a.mkv", tone(1, 0.0), tone(1))
    words = ["analyze", str(path), "-c", str(random_checkpoint), "-o", str(tmp_path / "out"), "--json"]
    told = {}
    for track in ((), ("--audio-track", "1")):
        result = run.invoke(cli.app, [*words, *track])
        assert result.exit_code == 0, result.output
        told[track] = {row["head"]: row["evidence"] for row in json.loads(result.stdout)}["audio"]
        assert "2 sound tracks" in result.stderr
    assert list(told.values()) == [True, False]
    assert np.abs(read_sound(tmp_path / "out" / "overlay.mp4").samples).max() < 0.01
    assert run.invoke(cli.app, [*words, "--audio-track", "3"]).exception is not None


def test_models_lists_the_published_count():
    rows = json.loads(run.invoke(cli.app, ["models", "--json"]).stdout)
    counts = {(row["name"], row["preset"], row["variant"]): row["parameters"] for row in rows}
    assert counts["auxformer", "paper", "code"] == 7_038_632


def test_describe_counts_the_bundled_clips():
    content = json.loads(run.invoke(cli.app, ["corpus", "describe", "demo", "--json"]).stdout)
    assert content["clips"] >= 48
    assert content["media"] == {"found": content["clips"], "missing": 0}
    assert sum(counts["clips"] for counts in content["classes"].values()) == content["clips"]
    assert len({counts["clips"] for counts in content["classes"].values()}) == 1
    assert content["duration"]["known"] == content["clips"]


@pytest.mark.parametrize(
    "words",
    ["analyze text.mp4 -o .", "analyze none.mp4 -o .", "analyze text.mp4", "analyze text.mp4 --html .", "evaluate -c none"],
)
def test_a_users_error_is_one_sentence_without_a_traceback(tmp_path, monkeypatch, capsys, words):
    (tmp_path / "text.mp4").write_text("no film")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["affectscope", *words.split()])
    with pytest.raises(SystemExit) as end:
        cli.main()
    error = capsys.readouterr().err
    assert end.value.code == 1
    assert error.startswith("Error: ")
    assert error.strip().count("\n") == 0


def test_core_does_not_import_streamlit():
    rooms = ", ".join(f"affectscope.core.{room}" for room in ("analyzer", "cli", "export.files", "training.run"))
    code = f"import sys, {rooms}; sys.exit('streamlit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_analyze_imports_what_it_runs(tmp_path):
    """Neither at its beginning nor when it writes what it found, the overlay among it."""
    code = f"""
import sys, types
from pathlib import Path
import numpy as np
from affectscope.core import analyzer, media
from affectscope.core.checkpoints import saved
from affectscope.core.cli import analysis
from affectscope.core.media import stretch
from affectscope.core.timeline.timeline import Timeline

out = Path({str(tmp_path)!r})
media.encode(out / "a.mp4", [(i / 10, np.zeros((64, 64, 3), np.uint8)) for i in range(5)], None, 10)
asked = types.SimpleNamespace(checkpoint=saved.load(saved.shipped()["auxformer"]))
timeline = Timeline(0.5, np.arange(5) / 10, np.full((5, 4), np.nan, np.float32))
made = analyzer.Analysis({{"decision": {{"anger": 1.0}}}}, {{}}, {{}}, timeline, (), "key")
analysis.write_files(asked.checkpoint, out / "a.mp4", made, out, True, lambda stage, share: None)
heavy = {{"pandas", "scipy", "sklearn", "umap", "plotly", "torchmetrics", "lightning", "jinja2", "streamlit"}}
sys.exit(repr(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.stderr.strip() == "set()"
    assert (tmp_path / "overlay.mp4").is_file()


def test_the_version_is_told() -> None:
    command = [sys.executable, "-m", "affectscope", "--version"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, f"affectscope {core.__version__}")
