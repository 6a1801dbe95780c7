"""What people drop in: let in once, kept under a name of ours, removed and brought back; what asks for too much ends alone."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch

from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.checkpoints import untrusted
from affectscope.core.checkpoints.layouts import recognise
from affectscope.core.checkpoints.untrusted import Report, examine
from affectscope.core.errors import UserError
from affectscope.core.library import dropped as library
from affectscope.core.models.auxformer import AuxFormer, AuxFormerConfig
from tests.reference import golden_state, needs_shared

SMALL = AuxFormerConfig(audio_dim=6, visual_dim=9, width=8, heads=2, layers=1, aux_hidden=(12, 10))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing hostile here: spare the seconds that a process of its own takes to begin."""
    monkeypatch.setattr(
        library, "load_untrusted", lambda source, out, layout, check, choices: examine(source, out, layout, choices)
    )


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    path = tmp_path / "my run.safetensors"
    checkpoints.save(path, AuxFormer(SMALL), checkpoints.Normaliser(), {"strategy": "plain"})
    return path


def with_pickle(path: Path, content: bytes) -> Path:
    """A file as torch.save writes it, with another pickle in it."""
    torch.save({}, path)
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, old in entries.items():
            archive.writestr(name, content if name.endswith("data.pkl") else old)
    return path


def test_what_asks_for_memory_ends_alone(tmp_path: Path) -> None:
    ask = b"\x80\x02cbuiltins\nbytearray\n\x8a\x06" + (4 * 10**9).to_bytes(6, "little") + b"\x85R."
    report = untrusted.load_untrusted(with_pickle(tmp_path / "greedy.pt", ask), tmp_path / "out.safetensors")
    # Had it been granted, the file would be told that it holds no state_dict.
    assert "damaged" in report.error
    assert not (tmp_path / "out.safetensors").exists()


def test_what_never_ends_is_ended(tmp_path: Path) -> None:
    nested: tuple = ()
    for _ in range(64):
        nested = (nested, nested)
    # A dict wants its key's hash, and this one's takes 2^64 steps.
    endless = b"\x80\x02}" + pickle.dumps(nested, 2)[2:-1] + b"K\x01s."
    report = untrusted.load_untrusted(with_pickle(tmp_path / "endless.pt", endless), tmp_path / "out.safetensors", seconds=2)
    # On a busy machine its patience ends before its share of the work: another sentence, the same end.
    assert "memory or time" in report.error or "in time" in report.error


def test_whoever_waits_may_give_up(tmp_path: Path, ours: Path) -> None:
    class GaveUp(Exception):
        pass

    def give_up() -> None:
        raise GaveUp

    with pytest.raises(GaveUp):
        untrusted.load_untrusted(ours, tmp_path / "out.safetensors", check=give_up)


def test_a_checkpoint_goes_through_the_other_process(tmp_path: Path, ours: Path) -> None:
    assert untrusted.load_untrusted(ours, tmp_path / "out.safetensors") == Report()
    assert checkpoints.load(tmp_path / "out.safetensors").spec.system == "auxformer"


def test_taken_in_once_removed_and_restored(cache: Path, ours: Path, in_process: None) -> None:
    entry, report = library.take_in(ours, "../my run.safetensors", taken=["my run"])
    assert entry is not None
    assert report == Report()
    assert (entry.name, entry.file) == ("my run (2)", "my run.safetensors")
    assert entry.path.is_relative_to(cache)
    assert checkpoints.load(entry.path).card == {"strategy": "plain"}
    again, _ = library.take_in(ours, "another name.safetensors", taken=[])
    assert again == entry
    assert list(library.entries()) == ["my run (2)"]
    library.remove(entry)
    assert library.entries() == {}
    library.restore(entry)
    assert library.entries() == {"my run (2)": entry}
    library.remove(entry)
    library.sweep(-1)
    with pytest.raises(UserError, match="no longer stored"):
        library.restore(entry)


def test_a_refused_file_leaves_nothing(cache: Path, tmp_path: Path, in_process: None) -> None:
    (tmp_path / "no.pt").write_bytes(b"no")
    entry, report = library.take_in(tmp_path / "no.pt", "no.pt", [])
    assert entry is None
    assert "no.pt is damaged" in report.error
    assert list(library.root().iterdir()) == []


@pytest.mark.parametrize(
    ("called", "name"),
    [
        ("../../etc/passwd.pt", "passwd"),
        ("<b>x</b>.pt", "b>"),
        ("a\nb\x00.pt", "a�b�"),
        (".pt", ".pt"),
        ("x" * 500 + ".pt", "x" * 59 + "…"),
        ("*a* [b](c).safetensors", "*a* [b](c)"),
    ],
)
def test_names_are_text_of_one_line(cache: Path, ours: Path, in_process: None, called: str, name: str) -> None:
    entry, _ = library.take_in(ours, called, [])
    assert entry is not None
    assert entry.name == name


def test_facts_that_somebody_wrote_by_hand_are_passed_over(cache: Path, ours: Path, in_process: None) -> None:
    entry, _ = library.take_in(ours, "good.safetensors", [])
    assert entry is not None
    for content in ("", "7", "{}", json.dumps({"id": "../../x", "name": "x"})):
        folder = library.root() / f"{len(content):024x}"
        folder.mkdir()
        (folder / "facts.json").write_text(content)
    assert list(library.entries()) == ["good"]


def test_an_unknown_layout_may_be_chosen(tmp_path: Path) -> None:
    torch.save({"foo": torch.zeros(2)}, tmp_path / "odd.pt")
    report = examine(tmp_path / "odd.pt", tmp_path / "out.safetensors")
    assert report.unknown
    assert "odd.pt is neither" in report.error
    assert "uavm" in examine(tmp_path / "odd.pt", tmp_path / "out.safetensors", "uavm").error


@pytest.mark.parametrize(
    ("change", "guess"),
    [
        ({"layers": 2}, "It has 1 layer in cross.audio where the model has 2."),
        ({"labels": ("a", "b", "c")}, "It answers with 6 outputs where the model has 3."),
        ({"audio_dim": 7}, "It takes 6 audio features a frame where the model takes 7."),
        ({"aux_hidden": (13, 10)}, "Its layers are of other widths than the model's."),
    ],
)
def test_a_misfit_says_what_is_probably_different(tmp_path: Path, ours: Path, change: dict, guess: str) -> None:
    tensors, metadata = checkpoints.read_tensors(ours)
    header = json.loads(metadata["affectscope"])
    header["config"].update(change)
    safetensors.torch.save_file(tensors, ours, {**metadata, "affectscope": json.dumps(header)})
    report = examine(ours, tmp_path / "out.safetensors")
    assert "my run.safetensors does not fit auxformer" in report.error
    assert report.guess == guess
    assert sum(report.counts) > 0
    assert not (tmp_path / "out.safetensors").exists()


def test_a_misfit_lists_the_first_keys_and_counts_all(tmp_path: Path, ours: Path) -> None:
    tensors, metadata = checkpoints.read_tensors(ours)
    del tensors["model.main.out.bias"]
    odd = {f"model.odd{i:04}": torch.zeros(1) for i in range(1000)}
    tensors["model.main.out.weight"] = torch.zeros(2, 2)
    safetensors.torch.save_file({**tensors, **odd}, ours, metadata)
    report = examine(ours, tmp_path / "out.safetensors")
    assert report.missing == ("main.out.bias",)
    assert report.misshapen == ("main.out.weight: 2×2 instead of 6×16",)
    assert report.counts == (1, 1000, 1)
    assert len(report.unexpected) == 200
    assert report.unexpected[0] == "odd0000"


LAYOUTS = {
    "auxformer-v1": ("auxformer_keys.txt", "AUXFORMER"),
    "auxformer-v2": ("auxformer_v2_keys.txt", "AVmodel"),
    "mult": ("mult_keys.txt", "MULTModel"),
    "uavm": ("uavm_keys.txt", "UnifiedTrans"),
}


@needs_shared
@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "uavm"])
def test_public_layouts_are_told_from_their_keys(tmp_path: Path, layout: str) -> None:
    state = golden_state(*LAYOUTS[layout])
    assert recognise(state) == layout
    assert recognise(list(state)[:3]) is None
    if layout == "auxformer-v2":
        torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "final_head.pt")
        report = examine(tmp_path / "final_head.pt", tmp_path / "out.safetensors")
        assert (report.error, report.layout) == ("", "auxformer-v2")
        assert [question.field for question in report.questions] == ["labels", "heads", "task", "causal"]
        kept = checkpoints.load(tmp_path / "out.safetensors")
        assert kept.spec.inputs == {"audio": 1024, "visual": 50}
        assert kept.card["layout"] == "auxformer-v2"


def test_uavm_and_vavl_are_told_from_their_keys() -> None:
    assert recognise(["a_trans.pos_embed", "v_trans.pos_embed", "s_trans.pos_embed"]) == "uavm"
    assert recognise(["final_acoustic_head.pt:x", "final_shared_head.pt:y"]) == "vavl"


@pytest.mark.parametrize("text", ["", "relative/model.pt", "/no/such/file.pt", "/etc/passwd", "/tmp\0/x.pt", "~nobody-here/x.pt"])
def test_a_path_that_is_no_checkpoint_is_one_sentence(text: str) -> None:
    with pytest.raises(UserError):
        library.find_path(text)
