"""Experiments at the papers' sizes, by their protocols: on a corpus and a store that are made here."""

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from affectscope.core.cache import sealed
from affectscope.core.cli import app
from affectscope.core.errors import UserError
from affectscope.core.experiments import cells, dry, gathered, plan, protocols, results, run
from affectscope.core.experiments.cells import Cell, fill, read_once
from affectscope.core.experiments.measuring import latency, measure
from affectscope.core.experiments.where import Where
from affectscope.core.features.stored.packed import choose_sets
from affectscope.core.models.base import MODELS
from affectscope.core.models.labels import EMOTIONS
from affectscope.core.training.batches import Batches
from affectscope.core.training.loop import TrainConfig
from tests.paper_store import corpus, store

CLIPS = 24
SETS = ("llds-32-16", "vgg-face-unit")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paper")
    return corpus(folder / "corpus", CLIPS, speakers=4), store(folder / "store", CLIPS, 0.2, SETS)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Cells of an earlier run would be taken for this one's."""
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / "cache"))


def inline(function, jobs, cluster=None):
    for key, arguments in jobs.items():
        try:
            yield key, function(*arguments)
        except UserError as error:
            yield key, error


def test_a_row_at_paper_size_from_the_store_to_the_table(made, monkeypatch):
    monkeypatch.setattr(run, "spread", inline)
    labels, packed = made
    setting = plan.Setting("paper", training={"epochs": 2})
    experiment = plan.only(plan.load("goncalves2022robust-table-2", setting), ["Baseline 4 (sound alone)"])
    filled, failed = run.run(experiment, str(labels), (0,), 1, where=run.Where(str(packed)))
    assert failed == []
    cell = Cell(experiment.rows[0].run, str(labels), 0, str(packed))
    assert set(cell.measured()) == {"without visual zeros", "cost"}
    assert cell.measured()["cost"]["decision"]["parameters"] == 2_314_947
    assert cell.measured()["cost"]["decision"]["epochs"] == 2
    assert 0 <= filled.mean(experiment.rows[0], experiment.rows[0].columns[0]) <= 1


def test_a_cell_is_keyed_by_its_features(made, tmp_path):
    labels, packed = made
    row = plan.load("goncalves2022robust-table-1", plan.Setting("paper")).rows[0]
    ours = Cell(row.run, str(labels), 0, str(packed)).folder()
    assert Cell(row.run, str(labels), 0, str(packed)).folder() == ours
    other = store(tmp_path / "other", CLIPS, 0.2, ("llds-32-16", "vgg-face"))
    assert Cell(row.run, str(labels), 0, str(other)).folder() != ours
    # Without a store the weights would have to be at hand.
    with pytest.raises(UserError, match="vgg_face_unit"):
        Cell(row.run, str(labels), 0).folder()


def test_only_the_sound_is_normalised_at_goncalves2022robusts_size(made, tmp_path):
    from affectscope.core.checkpoints import saved

    labels, packed = made
    row = plan.load("goncalves2022robust-table-1", plan.Setting("paper", training={"epochs": 1})).rows[2]
    cell = Cell(row.run, str(labels), 0, str(packed))
    fill(cell, ["cost"])
    normaliser = saved.load(cell.folder() / "model.safetensors").normaliser
    assert (set(normaliser.mean), set(normaliser.std)) == ({"audio"}, {"audio"})


def test_a_dry_run_counts_cells_and_measures_a_step(made):
    labels, packed = made
    experiment = plan.only(
        plan.load("goncalves2022robust-table-1", plan.Setting("paper")), ["Baseline 3 (cross-modal), standard"]
    )
    rows, hours = dry.forecast(experiment, str(labels), (0, 1, 2), run.Where(str(packed)))
    assert (rows[0].cells, rows[0].left, sum(rows[0].clips)) == (3, 3, CLIPS)
    assert rows[0].parameters == 2_305_948
    assert rows[0].features == "llds-32-16, vgg-face-unit"
    assert hours == pytest.approx(rows[0].hours)
    assert min(rows[0].step_seconds, rows[0].memory_gigabytes, hours) > 0


def test_by_itself_the_papers_protocol_holds_at_the_papers_size_alone():
    demo = {row.name: row for row in plan.load("goncalves2022auxformer-table-2").rows}
    paper = {row.name: row for row in plan.load("goncalves2022auxformer-table-2", plan.Setting("paper")).rows}
    ours, theirs = demo["AuxFormer"], paper["AuxFormer"]
    assert (ours.run.options, ours.run.data.normalised) == ({}, None)
    assert theirs.run.options == {"missing": "zeros", "each": "clip"}
    assert (theirs.run.training.epochs, theirs.run.data.normalised, theirs.run.data.step) == (20, ("audio",), 0.0)
    assert [c.condition for c in theirs.columns][::2] == ["without audio zeros", "without visual zeros"]
    assert paper["Picture alone"].run.preset == "paper-visual"
    assert paper["Picture alone"].run.changes == {"plain_first": True}
    small = plan.load("goncalves2022auxformer-table-2", plan.Setting(protocol="paper")).rows[0].run
    assert (small.preset, small.options) == ("demo", {"missing": "zeros", "each": "clip"})
    own = plan.load("goncalves2022auxformer-table-2", plan.Setting("paper", "own")).rows[0]
    assert (own.run.options, own.run.training.epochs) == ({}, 25)


def test_goncalves2025versatiles_batches_are_smaller_on_msp_improv_and_all_its_rows_train_alike():
    for kind, size in (("msp-improv", 16), ("crema-d", 32)):
        rows = plan.load("goncalves2025versatile-table-2", plan.Setting("paper", kind=kind)).rows
        assert {(r.run.training.batch_size, r.run.training.learning_rate, r.run.training.epochs) for r in rows} == {
            (size, 5e-5, 20)
        }
        assert {r.run.training.selection for r in rows} == {"main loss"}
        assert all(r.run.changes["labels"] == ("arousal", "valence", "dominance") for r in rows)
    columns = [c.name for c in rows[0].columns]
    assert [name for name in columns if "dominance" in name] == ["both, dominance", "sound, dominance", "picture, dominance"]
    assert not [c for c in plan.load("goncalves2025versatile-table-2").columns if "dominance" in c.name]


def test_conditions_as_a_protocol_measures_them():
    zeros = protocols.PROTOCOLS["parthasarathy2020detecting"]
    assert zeros.condition("random audio 0.3") == "random audio zeros x10 0.3"
    assert zeros.condition("without visual") == "without visual zeros"
    assert zeros.condition("whole") == "whole"
    assert protocols.OWN.condition("random audio 0.3") == "random audio 0.3"


def test_goncalves2025versatile_puts_zeros_for_frames_and_leaves_out_a_modality():
    """Its Fig. 2 masks frames by zeros; with one modality its own head answers (Algorithm 1), which zeros would not let it."""
    table = plan.load("goncalves2025versatile-table-1", plan.Setting("paper"))
    assert {c.condition for c in table.rows[0].columns} == {"whole", "without visual", "without audio"}
    assert {row.name: row.run.options for row in table.rows}["AuxFormer"] == {}
    figure = plan.load("goncalves2025versatile-figure-2-visual", plan.Setting("paper"))
    assert "random visual zeros 0.5" in {c.condition for c in figure.rows[0].columns}
    # Of what the demo's protocol does otherwise, each note tells what its own conditions show.
    assert "zeros" not in plan.load("goncalves2025versatile-table-1").note
    assert (
        "Missing frames are absent here; the paper replaces them by zeros."
        in plan.load("goncalves2025versatile-figure-2-visual").note
    )
    assert "Missing frames are absent here; the paper replaces them by zeros." in plan.load("goncalves2022robust-table-2").note


def test_mocanu2023multimodal_has_ten_folds_and_stops_by_accuracy():
    training = plan.load("mocanu2023multimodal-table-2", plan.Setting("paper-18")).rows[0].run.training
    assert (training.split, training.selection, training.patience) == ("folds", "accuracy", 20)


@pytest.mark.parametrize("name", [name for name in plan.experiments() if name.startswith("mocanu2023multimodal")])
def test_mocanu2023multimodal_trains_until_twenty_epochs_bring_nothing_better(name):
    """4.2: with no more epochs than it has patience, training would never stop for want of a better one."""
    own = [row.run for row in plan.load(name, plan.Setting("paper")).rows if row.run.system == "double-attention"]
    assert {(run.training.epochs, run.training.patience) for run in own} == {(200, 20)}
    assert {row.run.training.epochs for row in plan.load(name).rows} == {20}


def test_auxformer_beside_mocanu2023multimodal_is_trained_as_where_its_figure_is_from():
    there = plan.load("goncalves2022auxformer-table-1", plan.Setting("paper")).rows[0].run
    beside = plan.load("mocanu2023multimodal-table-5", plan.Setting("paper")).rows[0].run
    assert (beside.system, beside.strategy, beside.training.epochs) == (there.system, there.strategy, there.training.epochs)
    assert (there.strategy, there.training.epochs) == ("standard", 20)


@pytest.mark.parametrize("name", ["parthasarathy2020detecting-table-1", "parthasarathy2020detecting-figure-4"])
def test_parthasarathy2020detecting_trains_on_sequences_at_its_size(name):
    """4.3: the loss is counted over sequences of 100; clips of the demo are about as long as one."""
    assert {row.run.strategy for row in plan.load(name, plan.Setting("paper")).rows} == {"sequences"}
    assert {row.run.strategy for row in plan.load(name).rows} == {"standard"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("parthasarathy2020detecting-table-1", "aff-wild2"), ("goncalves2025versatile-table-1-sentiment", "cmu-mosei")],
)
def test_where_the_paper_takes_the_corpus_own_split_its_protocol_does(name, kind):
    def split(**options):
        (found,) = {row.run.training.split for row in plan.load(name, plan.Setting(**options)).rows}
        return found

    assert split(preset="paper", kind=kind) == "official"
    # What a person says goes before it, and of other corpora the speakers are drawn.
    assert split(preset="paper", kind=kind, training={"split": "speaker"}) == "speaker"
    assert split(preset="paper", kind="crema-d") == "speaker"
    assert split(kind=kind) == "speaker"


def test_rows_that_the_demo_makes_narrower_have_the_papers_width_at_its_size():
    rows = {row.name: row.run for row in plan.load("goncalves2022robust-figure-8", plan.Setting("paper")).rows}
    assert (rows["Baseline 2 (MulT), upscaled"].preset, rows["Baseline 2 (MulT), upscaled"].changes) == ("upscaled", {})
    static = plan.load("parthasarathy2020detecting-table-1", plan.Setting("paper")).rows[0].run
    assert (static.preset, static.changes) == ("paper-static-2000", {})


def test_an_experiment_says_what_its_corpus_has_to_label(made):
    labels, _ = made
    run.check(plan.load("goncalves2025versatile-table-1-sentiment"), str(labels))
    with pytest.raises(UserError, match="labels sentiment"):
        run.check(plan.load("goncalves2025versatile-table-1-sentiment"), "demo")


def _batches(model, made):
    labels, packed = made
    from affectscope.core.corpora import open_corpus
    from affectscope.core.features.clips import packed_clips
    from affectscope.core.models.inputs import Normaliser

    sets = choose_sets(packed, {}, ("audio", "visual"))
    return Batches(packed_clips(open_corpus(str(labels)), sets)[0], model.spec, Normaliser(), 8)


def test_zeros_are_frames_and_absence_is_none(made):
    torch.manual_seed(0)
    model = MODELS["auxformer"].preset("paper", width=20, heads=2, layers=1).eval()
    model.prior.copy_(torch.tensor([1.0, 0, 0, 0, 0, 0]).log_softmax(0))
    batches = _batches(model, made)
    absent = measure(model, batches, "without audio", 0)["audio"]
    zeros = measure(model, batches, "without audio zeros", 0)["audio"]
    # Without evidence the head answers with the prior, which is right of anger alone.
    assert absent["accuracy"] == pytest.approx(1 / len(EMOTIONS))
    assert absent["ece"] != zeros["ece"]
    all_gone = measure(model, batches, "random audio zeros x2 1", 0)["audio"]
    assert all_gone["micro_f1"] == pytest.approx(zeros["micro_f1"])


def test_latency_is_of_one_clip_and_a_share_of_its_length(made):
    model = MODELS["auxformer"].preset("paper", width=20, heads=2, layers=1).eval()
    ones = Batches(*_one_by_one(model, made))
    found = latency(model, ones, [2.0] * len(ones))
    assert found["seconds"] > 0
    assert found["real_time_factor"] == pytest.approx(found["seconds"] / 2)
    assert latency(model, ones, [2.0] * len(ones), "visual")["seconds"] > 0


def _one_by_one(model, made):
    from affectscope.core.corpora import open_corpus
    from affectscope.core.features.clips import packed_clips
    from affectscope.core.models.inputs import Normaliser

    labels, packed = made
    sets = choose_sets(packed, {}, ("audio", "visual"))
    return packed_clips(open_corpus(str(labels)), sets)[0][:3], model.spec, Normaliser(), 1


def test_seconds_an_epoch_are_measured_alone_and_after_all_else(made, monkeypatch):
    asked = []

    def noting(function, jobs, cluster):
        asked.append((cluster.workers, cluster.engine, [job[1] for job in jobs.values()]))
        for key, (cell, conditions, *_) in jobs.items():
            yield key, cell.measured() | {c: {"decision": {}} for c in conditions}

    monkeypatch.setattr(run, "spread", noting)
    labels, packed = made
    experiment = plan.only(plan.load("goncalves2022robust-table-5", plan.Setting("paper")), ["AuxFormer"])
    where = run.Where(str(packed), cluster=run.Cluster("ray", 4))
    run.run(experiment, str(labels), (0, 1), 4, where=where)
    assert asked == [(4, "ray", [["cost"], ["cost"]]), (1, "processes", [["speed"], ["speed"]])]


def test_a_corpus_without_speakers_is_shared_out_as_its_authors_did(tmp_path, made):
    (tmp_path / "own").mkdir()
    lines = ["clip,label,split", *(f"c{i},anger,{part}" for i, part in enumerate(("train", "dev", "test") * 2))]
    (tmp_path / "own" / "labels.csv").write_text("\n".join(lines) + "\n")
    assert run.own_split(str(tmp_path / "own"))
    assert not run.own_split(str(made[0]))


def test_old_cells_keep_their_names_and_new_settings_make_new_ones(made):
    labels, _ = made
    row = plan.load("goncalves2022robust-table-1").rows[0]
    names = {
        Cell(row.run, str(labels), 0).folder().name,
        Cell(plan.replace(row.run, training=plan.replace(row.run.training, selection="accuracy")), str(labels), 0).folder().name,
        Cell(plan.replace(row.run, data=plan.Data(normalised=("audio",))), str(labels), 0).folder().name,
        Cell(plan.replace(row.run, features={"audio": "llds-32-16"}), str(labels), 0).folder().name,
    }
    # What a paper took is in no demo cell's name: its features are the usual ones.
    assert len(names) == 3
    assert TrainConfig().selection == "loss"
    assert np.isfinite(row.run.training.learning_rate)


def test_a_row_of_sound_alone_wants_no_picture(made):
    _, packed = made
    from affectscope.core.corpora import open_corpus

    row = next(
        r for r in plan.load("parthasarathy2020detecting-table-1", plan.Setting("paper")).rows if r.name == "Transformer (A)"
    )
    sound = plan.replace(row.run, features={"audio": "llds-32-16"})
    _, sets, stored = Cell(sound, str(made[0]), 0, str(packed)).adapted(open_corpus(str(made[0])))
    assert (sets, list(stored)) == ({"audio": "llds-32-16"}, ["audio"])


def _as_measured(row: plan.Row, labels, packed, seed: int, macro_f1: float) -> None:
    folder = Cell(row.run, str(labels), seed, str(packed)).folder()
    folder.mkdir(parents=True)
    sealed.write_json(folder / "measured.json", {"whole": {"decision": {"macro_f1": macro_f1, "clips": 5}}})


def test_what_is_gathered_is_of_the_size_that_was_asked_for(made):
    labels, packed = made
    name = "goncalves2022robust-table-1"
    paper, demo = plan.load(name, plan.Setting("paper")), plan.load(name)
    for seed, score in ((0, 0.5), (1, 0.75)):
        _as_measured(paper.rows[0], labels, packed, seed, score)
    where = Where(str(packed))
    found = gathered.gather([paper], str(labels), (0, 1, 2), where)
    assert found[name].values[paper.rows[0].name, "macro-F1"] == (0.5, 0.75)
    # Neither the demo's cells nor those on other features are taken for them.
    assert gathered.gather([demo], str(labels), (0, 1, 2)) == {}
    text = results._setting(found, recorded=True)
    assert text.startswith(
        "5 to 5 clips are held out in each split. Published sizes (paper), the papers' features. The tables show the papers'"
    )


def test_rows_whose_features_cannot_be_had_are_left_out(made):
    labels, packed = made
    first, other = (
        plan.load("goncalves2022robust-table-1", plan.Setting("paper")),
        plan.load("goncalves2025versatile-table-1", plan.Setting("paper")),
    )
    _as_measured(first.rows[0], labels, packed, 0, 0.5)
    # The store has no wav2vec 2.0, and the corpus no media.
    assert list(gathered.gather([first, other], str(labels), (0,), Where(str(packed)))) == [first.name]
    with pytest.raises(UserError, match="wav2vec2"):
        gathered.gather([other], str(labels), (0,), Where(str(packed)))


def test_the_claims_of_a_papers_size_are_written_by_the_command(made, tmp_path):
    labels, packed = made
    setting = plan.Setting("paper", training={"epochs": 2})
    rows = {row.name: row for row in plan.load("goncalves2022robust-table-1", setting).rows}
    for seed in (0, 1):
        _as_measured(rows["AuxFormer, standard"], labels, packed, seed, 0.5)
        _as_measured(rows["Baseline 2 (MulT), standard"], labels, packed, seed, 0.25)
    page, told = tmp_path / "page.md", ["--preset", "paper", "--epochs", "2", "--store", str(packed), "--seeds", "2"]
    done = CliRunner().invoke(app, ["experiment", "claims", "--corpus", str(labels), "--out", str(page), *told])
    assert done.exit_code == 0, done.output
    assert "Baseline 2 (MulT), standard | 0.500 ± 0.000 | 0.250 ± 0.000 | +0.250" in page.read_text()
    done = CliRunner().invoke(
        app, ["experiment", "report", "--corpus", str(labels), "--out", str(tmp_path / "t"), "--no-html", *told]
    )
    assert done.exit_code == 0, done.output
    assert "0.500" in (tmp_path / "t" / "goncalves2022robust-table-1.md").read_text()


def test_a_corpus_is_read_once_for_many_cells(made, monkeypatch):
    labels, packed = made
    opened, real = [], cells.open_corpus
    monkeypatch.setattr(cells, "open_corpus", lambda name: opened.append(name) or real(name))
    row = plan.load("goncalves2022robust-table-1", plan.Setting("paper")).rows[0]
    alone = [Cell(row.run, str(labels), seed, str(packed)).folder() for seed in (0, 1)]
    assert len(opened) == 2
    with read_once():
        together = [Cell(row.run, str(labels), seed, str(packed)).folder() for seed in (0, 1)]
    assert together == alone
    assert len(opened) == 3
    # Afterwards the disk is asked again.
    Cell(row.run, str(labels), 0, str(packed)).folder()
    assert len(opened) == 4
