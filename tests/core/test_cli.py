"""The command line, as a stranger would use it."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from core import checkpoints, cli
from core.models.auxformer import AuxFormer
from tests.media_files import clip, tone

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
    assert (tmp_path / "out" / "overlay.mp4").stat().st_size > 1000


def test_analyze_writes_one_page(random_checkpoint, tmp_path):
    video = clip(tmp_path / "clip.mp4", sound=tone(1))
    out = tmp_path / "taken" / "home.html"
    result = run.invoke(cli.app, ["analyze", str(video), "-c", str(random_checkpoint), "--html", str(out)])
    assert result.exit_code == 0, result.output
    text = out.read_text(encoding="utf-8")
    assert {"data-clip", "data-timeline", "data-grid-0"} <= set(re.findall(r'id="(data-[\w-]+)"', text))
    assert "it has never seen a person" in text
    assert [path.name for path in out.parent.iterdir()] == ["home.html"]


def test_models_lists_the_published_count():
    rows = json.loads(run.invoke(cli.app, ["models", "--json"]).stdout)
    counts = {(row["name"], row["preset"], row["variant"]): row["parameters"] for row in rows}
    assert counts["auxformer", "paper", "code"] == 7_038_632


def test_describe_counts_the_bundled_clips():
    content = json.loads(run.invoke(cli.app, ["corpus", "describe", "demo", "--json"]).stdout)
    assert content["clips"] >= 48
    assert content["media"] == {"found": content["clips"], "missing": 0}
    assert sum(one["clips"] for one in content["classes"].values()) == content["clips"]
    assert len({one["clips"] for one in content["classes"].values()}) == 1
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
    said = capsys.readouterr().err
    assert end.value.code == 1
    assert said.startswith("Error: ")
    assert said.strip().count("\n") == 0


def test_core_does_not_import_streamlit():
    code = "import sys, core.analyzer, core.cli, core.export, core.training.run; sys.exit('streamlit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_analyze_imports_what_it_runs():
    heavy = "{'pandas', 'scipy', 'sklearn', 'umap', 'plotly', 'torchmetrics', 'lightning', 'moviepy', 'streamlit'}"
    imports = "import sys, core.checkpoints, core.analyzer, core.cli.analysis, core.stretch"
    code = f"{imports}; sys.exit(repr({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.stderr.strip() == "set()"
