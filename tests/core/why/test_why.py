"""The whole answer of a shipped model about a bundled clip, and how it goes out."""

import csv
import io
import json
import subprocess

import numpy as np
import pytest

from affectscope.core.analyzer import Analyzer
from affectscope.core.cache.store import FeatureStore
from affectscope.core.corpora import bundled
from affectscope.core.errors import UserError
from affectscope.core.library import named
from affectscope.core.perturbation import Perturbation
from affectscope.core.text import percent, signed
from affectscope.core.why import in_words
from affectscope.core.why.rows import COLUMNS
from affectscope.core.why.tables import tables
from affectscope.core.why.why import Why, explain
from tests.core.why.small import LABELS, Config, question


@pytest.fixture(scope="module")
def analyzer(tmp_path_factory) -> Analyzer:
    store = FeatureStore(tmp_path_factory.mktemp("store"), shipped=[bundled().features])
    return Analyzer(named.checkpoint("auxformer"), store)


@pytest.fixture(scope="module")
def media():
    corpus = bundled()
    return corpus.media(corpus.table.index[0])


@pytest.fixture(scope="module")
def why(analyzer, media) -> Why:
    return analyzer.why(media, label="anger")


def test_it_is_about_the_answer_that_the_player_shows(analyzer, media, why):
    shown = analyzer.analyze(media).predictions
    for h, head in enumerate(why.heads):
        np.testing.assert_allclose(why.answers[h], list(shown[head].values()), atol=1e-5)
    assert why.says == max(shown["decision"], key=shown["decision"].__getitem__) == why.target


def test_its_parts_add_up(why):
    modality = why.modality
    np.testing.assert_allclose(modality.shapley.sum(1), modality.scores[:, -1] - modality.scores[:, 0], atol=1e-9)
    np.testing.assert_allclose(why.groups.shapley.sum(1), why.groups.scores[:, -1] - why.groups.scores[:, 0], atol=1e-9)
    np.testing.assert_allclose(why.groups.scores[:, -1], modality.scores[:, -1], atol=1e-4)
    # A head that hears only has no picture to lose, and one that sees only no sound.
    audio, visual = why.heads.index("audio"), why.heads.index("visual")
    np.testing.assert_allclose(why.moments.away["visual"][audio], 0, atol=1e-6)
    np.testing.assert_allclose(why.face.away[audio], 0, atol=1e-6)
    np.testing.assert_allclose(why.groups.away[visual], 0, atol=1e-6)
    assert np.abs(why.face.away[visual]).max() > 0.01
    assert set(why.face.shares) == {"av", "visual"}


def test_what_turns_the_answer_turns_it(analyzer, media, why):
    gone = {
        m: tuple((float(why.moments.edges[w]), float(why.moments.edges[w + 1])) for n, w in why.flip.windows if n == m)
        for m in dict(why.flip.windows)
    }
    shown = analyzer.analyze(media, perturbation=Perturbation(pattern="drawn", spans=gone)).predictions["decision"]
    np.testing.assert_allclose(list(shown.values()), why.flip.after, atol=1e-5)
    assert max(shown, key=shown.__getitem__) != why.says


def test_json_has_all_of_it(why):
    found = json.loads(why.to_json())
    assert found["says"] == "anger"
    assert found["unit"] == "log-odds of anger"
    assert np.array(found["modality"]["shapley"]).shape == (4, 2)
    assert np.array(found["moments"]["away"]["audio"]).shape == (4, len(found["moments"]["edges"]) - 1)
    assert found["sentence"][0]["text"] in in_words(why)[0].lower() + in_words(why)[1:]


def test_csv_has_all_of_it(why):
    rows = list(csv.DictReader(io.StringIO(why.to_csv())))
    assert tuple(rows[0]) == COLUMNS
    by_measure = {(r["part"], r["measure"], r["head"], r["modality"], r["name"], r["start"]): r["value"] for r in rows}
    assert float(by_measure["modality", "shapley", "decision", "audio", "", ""]) == why.modality.shapley[0, 0]
    assert float(by_measure["time", "away", "av", "visual", "", "0.25"]) == why.moments.away["visual"][1, 1]
    assert float(by_measure["sound", "shapley", "decision", "audio", "pitch", ""]) == why.groups.shapley[0, 1]
    assert float(by_measure["face", "away", "visual", "visual", "mouth", ""]) == why.face.away[3, 4]
    assert len(by_measure) == len(rows)


def test_the_numbers_of_a_label_that_lost_are_those_of_a_question_about_it(analyzer, media, why):
    assert why.for_label is None
    missed, asked = analyzer.why(media, label="neutral"), analyzer.why(media, target="neutral", against="anger")
    of = missed.for_label
    for got, expected in (
        (of.modality.shapley, asked.modality.shapley), (of.moments.away["audio"], asked.moments.away["audio"]),
        (of.moments.alone["visual"], asked.moments.alone["visual"]), (of.groups.shapley, asked.groups.shapley),
        (of.face.away, asked.face.away),
    ):  # fmt: skip
        np.testing.assert_allclose(got, expected, atol=1e-5)
    content = missed.to_dict()
    assert content["for_label"]["modality"]["shapley"] == of.modality.shapley.tolist()
    rows = {(r["part"], r["measure"], r["head"], r["name"]): r["value"] for r in csv.DictReader(io.StringIO(missed.to_csv()))}
    assert float(rows["label face", "away", "decision", "mouth"]) == of.face.away[0, 4]
    assert any(table.title.startswith("For the label neutral: which modality") for table in tables(missed))


def test_nothing_is_said_for_a_label_that_nobody_asked_against(analyzer, media):
    assert analyzer.why(media, target="disgust", label="neutral", quick=True).for_label is None
    assert analyzer.why(media, against="neutral", label="neutral", quick=True).for_label is None
    assert analyzer.why(media, label="awe", quick=True).for_label is None


def numbers(content, path=()):
    """Every number of the JSON but those of pictures, and what is no finding (sizes, places that the sentence repeats)."""
    if path[:1] in {("sentence",), ("duration",)} or path[-1:] in {("sizes",), ("present",), ("seen",), ("smallest",)}:
        return
    if path[:1] == ("spectrum",) and path[1:2] not in ((), ("windows",), ("gap",)):
        return
    # A window of what changes the answer is its start and end in a table.
    if path[:2] == ("flip", "windows"):
        return
    if isinstance(content, dict | list):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield from numbers(value, (*path, key))
    elif isinstance(content, float | int):
        yield path, float(content)


def everywhere(why: Why) -> None:
    """Each number of the JSON is in the CSV, and each that the panel draws in the tables of the page that is taken home."""
    rows = list(csv.DictReader(io.StringIO(why.to_csv())))
    values = {float(cell) for row in rows for name in ("start", "end", "value") if (cell := row[name]) and cell != "nan"}
    for path, value in numbers(json.loads(why.to_json())):
        assert value in values, path
    cells = {cell for table in tables(why, every=True) for row in table.rows for cell in row}
    titles = " ".join(table.title for table in tables(why, every=True))
    for of in filter(None, (why, why.for_label)):
        parts = [of.modality.shapley, of.modality.alone, *of.modality.together.values(), of.modality.scores[:, [0, -1]]]
        parts += [*of.moments.away.values(), *of.moments.alone.values()]
        parts += [of.groups.shapley] if of.groups else []
        parts += [of.face.away] if of.face else []
        for value in np.concatenate([np.ravel(part) for part in parts]):
            assert signed(value) in cells
    if why.face is not None:
        assert {percent(value) for value in why.face.area} <= cells
        assert {percent(value) for shares in why.face.shares.values() for value in shares} <= cells
    if why.flip is not None and why.flip.found:
        assert all(percent(value) in titles for value in why.flip.after)


def test_every_number_goes_out_of_a_clip_with_both(analyzer, media):
    everywhere(analyzer.why(media, label="neutral"))


@pytest.mark.parametrize("gone", ["sound", "picture"])
def test_every_number_goes_out_of_a_file_with_one_modality(analyzer, media, tmp_path, gone):
    """As of a file of one's own, which has no label: with one track, the other modality is never there."""
    own = tmp_path / "own.mp4"
    keep = {"sound": ["-an", "-c:v", "copy"], "picture": ["-vn", "-c:a", "copy"]}[gone]
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(media), *keep, str(own)], check=True)
    found = analyzer.why(own)
    assert found.modality.present == (gone != "sound", gone != "picture")
    assert (found.groups is None, found.face is None) == (gone == "sound", gone == "picture")
    everywhere(found)


@pytest.mark.parametrize(
    "config", [Config({"audio": 4}), Config(), Config(task="regression"), Config({"audio": 4, "visual": 3, "text": 2})]
)
def test_every_number_goes_out_of_a_model_that_is_not_ours(config):
    subject = question(config)
    labels = subject.checkpoint.spec.labels if config.task == "classification" else ("",)
    for label in labels:
        everywhere(explain(subject, label=label))


def test_quick_leaves_out_what_takes_long(analyzer, media, why):
    quick = analyzer.why(media, quick=True)
    np.testing.assert_allclose(quick.modality.scores, why.modality.scores, atol=1e-6)
    assert quick.groups is not None
    assert quick.face is None
    assert quick.flip is None
    assert in_words(quick).startswith("The answer is anger")


def test_another_class_against_another(analyzer, media):
    found = analyzer.why(media, target="disgust", against="neutral", quick=True)
    assert found.unit == "log-odds of disgust against neutral"
    row = found.answers[0]
    expected = np.log(row[found.labels.index("disgust")] / row[found.labels.index("neutral")])
    assert found.modality.scores[0, -1] == pytest.approx(expected)


def test_a_class_that_the_model_does_not_know(analyzer, media):
    with pytest.raises(UserError, match="knows no class 'boredom'"):
        analyzer.why(media, target="boredom")


def test_an_answer_that_is_not_a_number_is_one_sentence():
    from affectscope.core.why import explain

    subject = question(target="joy")
    subject.streams["audio"].values[0, 0] = np.nan
    with pytest.raises(UserError, match="is not a number"):
        explain(subject)


def test_a_small_model_has_all_but_the_face():
    from affectscope.core.why import explain

    subject = question()
    found = explain(subject, label="joy")
    assert found.face is None
    assert found.groups is None
    assert found.spectrum is not None
    assert found.spectrum_windows.shape == (4,)
    json.loads(found.to_json())
    assert found.labels == LABELS
