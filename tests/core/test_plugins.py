"""Plugins from outside: named in every way that there is, imported in every process, and told of where they fail."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import affectscope as afs
from affectscope.core import cli
from affectscope.core.checkpoints import foreign, layouts, saved
from affectscope.core.checkpoints.untrusted import Report, load_untrusted
from affectscope.core.corpora import readers
from affectscope.core.errors import UserError
from affectscope.core.features.sets import FEATURE_SETS
from affectscope.core.features.stored import arrays as stored
from affectscope.core.library import named
from affectscope.core.models.auxformer import AuxFormer, AuxFormerConfig
from affectscope.core.models.base import AVModel
from affectscope.core.plugins import loading, sources
from affectscope.core.streams import Batch
from affectscope.core.wrapping.declared import WRAPPED

PLUGIN = """
import torch
import affectscope as afs
from {helper} import Net

@afs.model("{name}", labels=["a", "b"], inputs={{"audio": "llds"}})
def {helper}_net({takes}):
    net = Net()
    {load}
    return net

{helper}_net.forward(lambda net, batch: net(batch.audio.mean(1)))
"""
HELPER = """
import torch

class Net(torch.nn.Linear):
    def __init__(self):
        torch.manual_seed({seed})
        super().__init__(130, 2)
"""
LOADS = {"": "pass", "path": "net.load_state_dict(afs.read_weights(path))", "state": "net.load_state_dict(state)"}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No plugin of another test is here, and none of this one stays."""
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(loading.NAMED, "")
    monkeypatch.setattr(loading, "_TRIED", {})
    monkeypatch.setattr(WRAPPED, "_entries", {})
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    yield
    for module in [imported for imported in sys.modules if imported.startswith(("affectscope_plugin_", "helper_", "part"))]:
        del sys.modules[module]


def write(folder: Path, name: str = "net-a", helper: str = "helper_a", takes: str = "", seed: int = 0) -> Path:
    """A plugin with a module beside it."""
    folder.mkdir(exist_ok=True)
    (folder / f"{helper}.py").write_text(HELPER.format(seed=seed))
    plugin = folder / f"{helper}_plugin.py"
    plugin.write_text(PLUGIN.format(name=name, helper=helper, takes=takes, load=LOADS[takes]))
    return plugin


def answer(model: AVModel) -> list[float]:
    with torch.inference_mode():
        return model(Batch.of(audio=torch.ones(1, 4, 130))).predictions["audio"][0].tolist()


def test_a_file_is_imported_with_what_lies_beside_it_and_once(tmp_path: Path) -> None:
    loading.name(os.path.relpath(write(tmp_path / "mine")))
    assert os.environ[loading.NAMED] == str(tmp_path / "mine" / "helper_a_plugin.py")
    assert loading.load() == loading.load() == ()
    assert "net-a" in afs.models()
    model = afs.load("net-a")
    assert (model.name, model.system, model.labels, model.heads) == ("net-a", "net-a", ("a", "b"), ("audio",))


def test_a_plugin_that_fails_is_one_sentence_with_its_own_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    broken = {
        "raises.py": ("import json\njson.loads('{')\n", "JSONDecodeError: .* (raises.py, line 2)"),
        "grammar.py": ("def f(:\n", "SyntaxError: invalid syntax (grammar.py, line 1)"),
        "ends.py": ("import sys\n\nsys.exit(3)\n", "SystemExit: 3 (ends.py, line 3)"),
        "lacks.py": ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module' (lacks.py, line 1)"),
        "clash.py": (
            "import affectscope as afs\n@afs.model('auxformer', labels=['a'], inputs={'audio': 'llds'})\ndef net(): ...\n",
            "There is already a model of AffectScope's own called auxformer: choose another name (clash.py, line 2)",
        ),
    }
    for name, (text, _) in broken.items():
        (tmp_path / name).write_text(text)
        loading.name(name)
    for name in ("gone.py", "no.such.module", str(write(tmp_path))):
        loading.name(name)
    found = {Path(trouble.plugin).name: trouble.sentence for trouble in loading.load()}
    assert list(WRAPPED) == ["net-a"]
    for name, (_, why) in broken.items():
        head, _, tail = why.partition(".*")
        assert found[name].startswith(f"The plugin {name} was left out: {head}")
        assert found[name].endswith(f"{tail}; mend it, and start again.")
        assert "\n" not in found[name]
    assert "There is no file" in found["gone.py"]
    assert "There is no module no.such.module" in found["no.such.module"]


def test_an_installed_package_names_its_plugin_by_an_entry_point(tmp_path: Path, monkeypatch) -> None:
    plugin = write(tmp_path / "site", "net-b", "helper_b")
    facts = tmp_path / "site" / "their_package-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[affectscope.plugins]\nnets = {plugin.stem}\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    loading._installed.cache_clear()
    assert loading.load() == ()
    loading._installed.cache_clear()
    assert list(WRAPPED) == ["net-b"]


def test_weights_come_from_the_plugin_or_from_whoever_names_them(tmp_path: Path) -> None:
    loading.name(str(write(tmp_path, takes="path")))
    with pytest.raises(UserError, match="net-a needs weights: name them as net-a=PATH"):
        named.checkpoint("net-a")
    state = {"weight": torch.zeros(2, 130), "bias": torch.tensor([1.0, 2.0])}
    torch.save({"model_state": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "w.pt")
    assert answer(named.checkpoint(f"net-a={tmp_path / 'w.pt'}").model) == [1, 2]
    assert afs.load(f"net-a={tmp_path / 'w.pt'}").name == "net-a"
    WRAPPED["net-a"].weights = tmp_path / "gone.pt"
    with pytest.raises(UserError, match="weights of net-a cannot be read"):
        named.checkpoint("net-a")


def test_a_plugins_paths_begin_in_its_own_folder_whatever_folder_a_process_was_started_in(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(stored, "BOUND", {})
    monkeypatch.setattr(FEATURE_SETS, "_entries", dict(FEATURE_SETS._entries))
    home = tmp_path / "theirs"
    (home / "arrays").mkdir(parents=True)
    np.save(home / "arrays" / "clip.npy", np.zeros((4, 7), np.float32))
    (home / "helper_named.py").write_text('import affectscope as afs\nafs.arrays("theirs", "arrays", modality="text")\n')
    loading.name(str(home / "helper_named.py"))
    assert loading.load() == ()
    assert (stored.BOUND["theirs"].path, FEATURE_SETS["theirs"].dim) == (str(home / "arrays"), 7)


def test_the_digest_follows_what_it_imports_and_its_weights(tmp_path: Path) -> None:
    plugin = write(tmp_path)
    assert [path.name for path in sources.sources(plugin)] == ["helper_a_plugin.py", "helper_a.py"]
    before = sources.digest(str(plugin))
    sources.digest.cache_clear()
    write(tmp_path, seed=1)
    assert sources.digest(str(plugin)) != before
    loading.name(str(plugin))
    loading.load()
    kept = afs.load("net-a").checkpoint.digest
    write(tmp_path, seed=2)
    # What runs in this process is what was imported.
    assert afs.load("net-a").checkpoint.digest == kept


def test_every_kind_of_import_is_followed_and_only_within_its_folder(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    parts = {
        "top.py": "import json, a\nfrom inner import c\nfrom inner.d import x\nimport affectscope.core\n",
        "a.py": "def late():\n    import b\n",
        "b.py": "import top\n",
        "inner/__init__.py": "",
        "inner/c.py": "from . import e\n",
        "inner/d.py": "from ..outside import y\nx = 1\n",
        "inner/e.py": "",
        "unused.py": "",
    }
    for name, text in parts.items():
        (tmp_path / name).write_text(text)
    found = {str(path.relative_to(tmp_path)) for path in sources.sources(tmp_path / "top.py")}
    assert found == set(parts) - {"unused.py"}


def test_a_package_is_a_plugin_with_its_parts(tmp_path: Path) -> None:
    folder = tmp_path / "whole"
    folder.mkdir()
    (folder / "__init__.py").write_text("from . import nets\n")
    text = PLUGIN.format(name="net-c", helper="part", takes="", load="pass")
    (folder / "nets.py").write_text(text.replace("from part", "from .part"))
    (folder / "part.py").write_text(HELPER.format(seed=0))
    loading.name(str(folder))
    assert loading.load() == ()
    assert [path.name for path in sources.sources(folder / "nets.py")] == ["nets.py", "part.py"]
    assert afs.load("net-c").labels == ("a", "b")


@pytest.mark.parametrize("words", [["--plugin", "{}", "corpus", "describe"], ["corpus", "describe", "--plugin", "{}"]])
def test_every_command_takes_plugins_and_says_what_was_left_out(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "bad.py").write_text("1 / 0\n")
    result = CliRunner().invoke(cli.app, [word.format(tmp_path / "bad.py") for word in words] + ["--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["clips"] == 48
    assert "The plugin bad.py was left out: ZeroDivisionError: division by zero (bad.py, line 1)" in result.stderr


def test_what_computes_nothing_imports_no_plugin(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("1 / 0\n")
    result = CliRunner().invoke(cli.app, ["corpus", "list", "--plugin", str(tmp_path / "bad.py"), "--json"])
    assert (result.exit_code, result.stderr) == (0, "")


def test_dropped_weights_are_read_in_the_guarded_process_by_the_plugin_that_has_their_keys(tmp_path: Path) -> None:
    loading.name(str(write(tmp_path, takes="state")))
    state = {"weight": torch.zeros(2, 130), "bias": torch.tensor([1.0, 2.0])}
    torch.save(state, tmp_path / "w.pt")
    out = tmp_path / "kept.safetensors"
    report = load_untrusted(tmp_path / "w.pt", out)
    assert report.error == ""
    assert report.remarks == ("It was read by net-a, a model of the plugin helper_a_plugin.py.",)
    loading.load()
    kept = saved.load(out)
    assert answer(kept.model) == [1, 2]
    assert kept.digest == saved.digest(out)
    assert kept.spec == saved.peek(out)[0].spec
    WRAPPED._entries.clear()
    with pytest.raises(UserError, match="of the plugin's model net-a, which is not here: name that plugin with --plugin"):
        saved.load(out)


def test_dropped_weights_are_never_handed_on_as_a_path(tmp_path: Path) -> None:
    loading.name(str(write(tmp_path, takes="path")))
    torch.save({"weight": torch.zeros(2, 130), "bias": torch.zeros(2)}, tmp_path / "w.pt")
    report: Report = load_untrusted(tmp_path / "w.pt", tmp_path / "kept.safetensors")
    assert report.unknown
    assert "affectscope app --plugin my_net.py" in report.guess
    assert not (tmp_path / "kept.safetensors").exists()


def test_another_process_that_is_sent_a_model_imports_its_plugin(tmp_path: Path) -> None:
    loading.name(str(write(tmp_path)))
    loading.load()
    model = afs.load("net-a").checkpoint.model
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(answer, model).result(120) == answer(model)


LAYOUT = """
import affectscope as afs
from affectscope.core.models.auxformer import AuxFormerConfig

@afs.layout("theirs", marks=["their.conv_a.", "their.main."], own="their\\\\.")
def theirs(state):
    own = {key.removeprefix("their.").replace("conv_a.", "project.audio."): value for key, value in state.items()}
    config = AuxFormerConfig(labels=("a", "b"), audio_dim=130, visual_dim=135, width=8, heads=2, layers=1, aux_hidden=(12, 10))
    return config, own
"""
CORPUS = """
import affectscope as afs
import pandas as pd

@afs.corpus_kind("theirs", recognises=lambda path: (path / "theirs.txt").is_file(), options={"part": ("all", "first")})
def read(path, options):
    clips = (path / "theirs.txt").read_text().split()[: None if options["part"] == "all" else 1]
    return pd.DataFrame({"path": [f"{clip}.mp4" for clip in clips], "label": [clip[0] for clip in clips]}, index=clips)
"""


def test_a_layout_of_ones_own_is_recognised_and_asks_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(layouts.LAYOUTS, "_entries", dict(layouts.LAYOUTS._entries))
    (tmp_path / "layout.py").write_text(LAYOUT)
    loading.name("layout.py")
    assert loading.load() == ()
    small = {"audio_dim": 130, "visual_dim": 135, "width": 8, "heads": 2, "layers": 1, "aux_hidden": (12, 10)}
    model = AuxFormer(AuxFormerConfig(labels=("a", "b"), **small)).eval()
    state = {f"their.{k.replace('project.audio.', 'conv_a.')}": v for k, v in model.state_dict().items()}
    torch.save({**state, "optimiser.weight": torch.zeros(3)}, tmp_path / "x.pt")
    found = foreign.read(tmp_path / "x.pt")
    assert (found.layout, found.questions, found.assumed, found.model.spec.labels) == ("theirs", (), (), ("a", "b"))
    assert found.remarks == ("Left out, as no part of theirs: optimiser.weight.",)
    batch = Batch.of(audio=torch.ones(1, 4, 130), visual=torch.ones(1, 3, 135))
    assert torch.equal(found.model(batch).predictions["av"], model(batch).predictions["av"])
    assert foreign.recognise(["proj_aux1.weight", "trans_a_with_v.x"]) == "auxformer-v1"


def test_a_corpus_of_ones_own_is_recognised_with_its_options(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(readers.READERS, "_entries", dict(readers.READERS._entries))
    (tmp_path / "corpus.py").write_text(CORPUS)
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "theirs.txt").write_text("a1 b1 b2")
    loading.name("corpus.py")
    assert loading.load() == ()
    found = readers.read(tmp_path / "clips")
    assert (found.kind, found.labels, list(found.table.index)) == ("theirs", ("a", "b"), ["a1", "b1", "b2"])
    assert list(found.table["speaker"]) == ["", "", ""]
    assert len(readers.read(tmp_path / "clips", "theirs", {"part": "first"}).table) == 1
    with pytest.raises(UserError, match="already a kind of corpus called ravdess"):
        afs.corpus_kind("ravdess")(lambda path, options: None)
