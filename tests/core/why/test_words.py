"""The sentence: every clause rests on numbers that stand in the arrays, and claims nothing else. Over answers of every kind."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectscope.core.why.face import Face
from affectscope.core.why.flip import Flip
from affectscope.core.why.label import ForLabel
from affectscope.core.why.modality import Modality
from affectscope.core.why.moments import Moments
from affectscope.core.why.sound import Groups
from affectscope.core.why.why import Why
from affectscope.core.why.words import NOUNS, in_words, sentence
from tests.core.why.small import LABELS

GROUPS = ("loudness", "pitch", "voice quality", "spectral shape", "MFCC")
REGIONS = ("brows", "eyes", "nose", "cheeks", "mouth", "jaw")
EDGES = np.arange(5) * 0.25
MINUS = "\N{MINUS SIGN}"
SPACE = "\N{NO-BREAK SPACE}"


def by_sign(value: float) -> str:
    return f"{value:+.2f}".replace("-", MINUS)


def made(seed: int, names=("audio", "visual"), against: str = "", label: str = "", present=None, flips: int = 0) -> Why:
    """Random numbers that fit together."""
    chance = np.random.default_rng(seed)
    heads, count = 2, 2 ** len(names)
    answers = chance.dirichlet(np.ones(3) * 0.6, (heads, count))
    target = LABELS[int(chance.integers(3))] if seed % 3 == 0 else LABELS[int(answers[0, -1].argmax())]
    against = against if against != target else ""
    place = LABELS.index(target)
    other = answers[..., LABELS.index(against)] if against else 1 - answers[..., place]
    scores = np.log(np.maximum(answers[..., place], 1e-12)) - np.log(np.maximum(other, 1e-12))
    windows = {m: chance.standard_normal((heads, 4)) - 0.3 for m in names}
    flip = None
    if flips:
        gone = sorted(
            (m, int(w)) for m, w in {(names[chance.integers(len(names))], int(chance.integers(4))) for _ in range(flips)}
        )
        flip = Flip(tuple(gone), answers[0, -1], chance.dirichlet(np.ones(3)), True, 9)
    of = None
    if label and not against and label != target == LABELS[int(answers[0, -1].argmax())]:
        odds = np.log(answers[..., LABELS.index(label)] / answers[..., place])
        of = ForLabel(
            Modality(names, present or tuple(True for _ in names), answers, odds),
            Moments(EDGES, {}, {m: chance.standard_normal((heads, 4)) - 0.3 for m in names}, {}),
            Groups(GROUPS, (1, 1, 1, 1, 1), chance.standard_normal((heads, 32)), "training mean"),
            Face(REGIONS, np.full(6, 0.1), chance.standard_normal((heads, 6)), {}, True),
        )  # fmt: skip
    return Why(
        "small", "classification", LABELS, ("decision", "av"), target, against, "absent", label, 1.0,
        Modality(names, present or tuple(True for _ in names), answers, scores),
        Moments(EDGES, {m: np.full(4, 2) for m in names}, windows, windows),
        groups=Groups(GROUPS, (1, 1, 1, 1, 1), chance.standard_normal((heads, 32)), "training mean"),
        face=Face(REGIONS, np.full(6, 0.1), chance.standard_normal((heads, 6)), {}, True),
        flip=flip, for_label=of,
    )  # fmt: skip


WHYS = st.builds(
    made,
    st.integers(0, 10_000),
    st.sampled_from([("audio", "visual"), ("visual", "audio"), ("audio",), ("audio", "visual", "text")]),
    st.sampled_from(["", "", "neutral"]),
    st.sampled_from(["", *LABELS]),
    st.none(),
    st.integers(0, 5),
)


def at(content, path):
    for step in path:
        content = content[step]
    return content


@settings(max_examples=150, deadline=None)
@given(WHYS)
def test_every_clause_rests_on_the_arrays(why):
    content = why.to_dict()
    for clause in content["sentence"]:
        for rest in clause["rests"]:
            assert at(content, rest["path"]) == rest["value"], clause


@settings(max_examples=150, deadline=None)
@given(WHYS)
def test_every_number_is_one_of_those_that_a_clause_rests_on(why):
    for clause in sentence(why):
        values = [float(v) for _, v in clause.rests if not isinstance(v, str)]
        # A whole and nothing stand for what lies between them.
        values += [a - b for a in values for b in values]
        for share in re.findall(rf"(\d+){SPACE}%", clause.text):
            assert any(f"{100 * v:.0f}" == share for v in values), clause
        for number in re.findall(rf"[+{MINUS}]\d+\.\d\d", clause.text):
            assert any(by_sign(v) == number for v in values), clause
        for a, b in re.findall(r"([\d.]+)–([\d.]+)", clause.text):
            assert float(a) in values, clause
            assert float(b) in values, clause


@settings(max_examples=300, deadline=None)
@given(WHYS)
def test_every_claim_is_true(why):
    of = why
    for clause in sentence(why):
        # What follows is said of the label, until the last sentence.
        of = why.for_label if clause.kind == "label" else of
        CLAIMS[clause.kind](of if clause.kind in DETAILS else why, clause.text)


def _place(why, name: str) -> int:
    return why.labels.index(name)


def _answer(why, text):
    best = why.labels[int(why.answers[0].argmax())]
    assert best in text
    assert ("is right" in text) == (why.label == best)
    assert ("is wrong" in text) == (bool(why.label) and why.label != best)
    assert (f"and {why.target} has" in text) == (why.target != best)


def _lead(why) -> str:
    modality = why.modality
    gains = {}
    for i, name in enumerate(modality.names):
        others = [c for c in range(2 ** len(modality.names)) if not c >> i & 1]
        sizes = {c: c.bit_count() for c in others}
        n = len(modality.names)
        fact = [1, 1, 2, 6, 24]
        gains[name] = sum(
            fact[sizes[c]] * fact[n - sizes[c] - 1] / fact[n] * (modality.scores[0, c | 1 << i] - modality.scores[0, c])
            for c in others
        )
    return max(gains, key=lambda name: gains[name]) if max(gains.values()) > 0 else ""


def _says(why, text):
    lead = _lead(why)
    alone = why.modality.answers[0, 1 << why.modality.names.index(lead)]
    assert text.startswith(f"the {NOUNS.get(lead, lead)} alone says {why.target} (")
    assert why.labels[int(alone.argmax())] == why.target


def _speaks(why, text):
    assert text.startswith(f"the {NOUNS.get(_lead(why), _lead(why))} supports {why.target} most")
    gain, slightly = float(why.modality.shapley[0].max()), "only slightly" in text
    assert slightly == (gain < 0.1)

    alone = why.modality.answers[0, 1 << why.modality.names.index(_lead(why))]
    best = why.labels[int(alone.argmax())]
    assert ("though on its own it says" in text) == (best != why.target and not why.against)
    if "though" in text:
        assert f"on its own it says {best} (" in text
        assert ("which is right" in text) == (best == why.label)


def _being(why, text):
    how, total = why.groups.shapley[0].sum(), why.modality.shapley[0, why.modality.names.index("audio")]
    assert _lead(why) == "audio"
    assert how < total / 2
    against = f"only because there is sound at all: how it sounds counts against it ({by_sign(how)})"
    little = f"mostly because there is sound at all: how it sounds adds only {by_sign(how)} of {by_sign(total)}"
    assert text == (against if how < 0 else little)


def _nobody(why, text):
    assert _lead(why) == ""


def _part(names, values):
    best = names[int(np.argmax(values))]
    share = max(values) / sum(v for v in values if v > 0)
    return f"{'mostly' if share >= 0.5 else 'most of all'} {best}"


def _group(why, text):
    assert _lead(why) == "audio"
    assert why.groups.shapley[0].sum() >= why.modality.shapley[0, why.modality.names.index("audio")] / 2
    assert text == _part(GROUPS, why.groups.shapley[0])


def _region(why, text):
    assert _lead(why) == "visual"
    assert text == _part([f"the {r}" for r in REGIONS], why.face.away[0])


def _when(why, text):
    values = why.moments.away[_lead(why)][0]
    start, end = map(float, re.findall(r"[\d.]+", text))
    inside = [w for w in range(4) if start <= EDGES[w] < end]
    assert values.argmax() in inside
    assert all(values[w] >= values.max() / 2 > 0 for w in inside)
    for w in (inside[0] - 1, inside[-1] + 1):
        assert not 0 <= w < 4 or values[w] < values.max() / 2


def _without(why, text):
    modality, lead = why.modality, _lead(why)
    rest = sum(1 << i for i, name in enumerate(modality.names) if name != lead)
    best = why.labels[int(modality.answers[0, rest].argmax())]
    assert f"without the {NOUNS.get(lead, lead)} the answer is " in text
    assert re.search(rf"is (still )?{best} \(", text)
    assert ("still" in text) == (best == why.says)
    assert ("which is right" in text) == (best != why.says and best == why.label)
    assert ("which is wrong" in text) == (best != why.says and bool(why.label) and best != why.label)


def _together(why, text):
    value = float(re.findall(rf"[+{MINUS}]\d+\.\d\d", text)[0].replace(MINUS, "-"))
    assert abs(value) >= np.abs(why.modality.alone[0]).max() - 0.01
    assert (" for " in text.split("comes")[0]) == (value > 0)


def _turns(why, text):
    for name in ("sound", "picture", "text"):
        gone = {w for m, w in why.flip.windows if NOUNS.get(m, m) == name}
        part = re.search(rf"{name} at ([^s]*) s", text)
        spans = re.findall(r"([\d.]+)–([\d.]+)", part[1]) if part else []
        assert gone == {w for a, b in spans for w in range(4) if float(a) <= EDGES[w] < float(b)}
    assert f"the answer would be {why.labels[int(why.flip.after.argmax())]}" in text


def _label(why, text):
    lead = _lead(why.for_label)
    gain = why.for_label.modality.shapley[0, why.for_label.modality.names.index(lead)]
    share = why.answers[0, _place(why, why.label)]
    name = f"{why.label} ({100 * share:.0f} %) over {why.says}"
    who, slightly = NOUNS.get(lead, lead), ", but only slightly" if gain < 0.1 else ""
    assert why.label != why.says == why.target
    several = len(why.for_label.modality.names) > 1
    expected = f"The main support for {name} is the {who}" if several else f"The {who} supports {name}"
    expected += f"{slightly} ({by_sign(gain)})"
    assert text.replace(SPACE, " ") == expected


def _unheard(why, text):
    assert _lead(why.for_label) == ""
    assert text.startswith(f"No modality supports {why.label} (")
    assert text.endswith(f" over {why.says}")


DETAILS = ("group", "being", "region", "when")
CLAIMS = {
    "answer": _answer, "says": _says, "speaks": _speaks, "nobody": _nobody, "group": _group, "being": _being, "region": _region,
    "when": _when, "without": _without, "together": _together, "turns": _turns,
    "label": _label, "unheard": _unheard,
}  # fmt: skip


def test_every_kind_of_clause_comes_up():
    kinds = {
        c.kind for seed in range(300) for c in sentence(made(seed, against="neutral" * (seed % 2), label="joy", flips=seed % 4))
    }
    assert kinds == set(CLAIMS)


def by_hand(label: str) -> Why:
    """Sound alone is sure of anger, the picture of neutral; both together say anger. The picture's third quarter says neutral."""
    answers = np.array([[[0.2, 0.2, 0.6], [0.91, 0.04, 0.05], [0.3, 0.2, 0.5], [0.7, 0.1, 0.2]]])
    scores = np.log(answers[..., 0] / (1 - answers[..., 0]))
    sizes = np.array([0.1, 0.0, 0.0, 2.0, 0.4])
    coalition = (np.arange(32)[:, None] >> np.arange(5) & 1) @ sizes
    of = None
    if label:
        odds = np.log(answers[..., LABELS.index(label)] / answers[..., 0])
        of = ForLabel(
            Modality(("audio", "visual"), (True, True), answers, odds),
            Moments(EDGES, {}, {"audio": np.zeros((1, 4)), "visual": np.array([[0.0, -0.1, 0.3, 0.2]])}, {}),
        )
    return Why(
        "small", "classification", LABELS, ("decision",), "anger", "", "absent", label, 1.0,
        Modality(("audio", "visual"), (True, True), answers, scores),
        Moments(EDGES, {}, {"audio": np.array([[0.0, 0.3, 0.2, 0.1]]), "visual": np.zeros((1, 4))}, {}),
        groups=Groups(GROUPS, (1,) * 5, coalition[None], "training mean"),
        flip=Flip((("audio", 1), ("audio", 3)), answers[0, -1], np.array([0.3, 0.1, 0.6]), True, 5),
        for_label=of,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (
            "neutral",
            "Anger (70 %) is wrong (the label is neutral): the sound alone says anger (91 %), mostly spectral shape, strongest "
            "at 0.25–0.75 s; without the sound the answer is neutral (50 %), which is right. "
            # Half of ln(0.5 / 0.3) - ln(0.6 / 0.2) and of ln(0.2 / 0.7) - ln(0.05 / 0.91).
            "The main support for neutral (20 %) over anger is the picture (+0.53), strongest at 0.5–1 s. "
            "Without the sound at 0.25–0.5 and 0.75–1 s the answer would be neutral (60 %).",
        ),
        (
            "",
            "The answer is anger (70 %): the sound alone says anger (91 %), mostly spectral shape, strongest at 0.25–0.75 s; "
            "without the sound the answer is neutral (50 %). "
            "Without the sound at 0.25–0.5 and 0.75–1 s the answer would be neutral (60 %).",
        ),
    ],
)
def test_the_sentence_as_people_read_it(label, expected):
    assert in_words(by_hand(label)).replace(SPACE, " ") == expected


def test_a_clip_of_which_nothing_is_there():
    why = made(1, present=(False, False))
    assert in_words(why).endswith("the clip has nothing that the model can use, so this is the model's prior.")


def test_an_attribute():
    modality = by_hand("").modality
    values = np.array([[[0.1, 0.0], [0.4, 0.0], [0.1, 0.0], [0.45, -0.2]]])
    why = Why(
        "small", "regression", ("arousal", "valence"), ("decision",), "arousal", "", "absent", "", 1.0,
        Modality(modality.names, modality.present, values, values[..., 0]), by_hand("").moments,
    )  # fmt: skip
    # Half of 0.3 and of 0.35.
    assert in_words(why) == "Arousal is +0.45: the sound moves it most (+0.33); without the sound it is +0.10."


def test_names_out_of_files_cannot_break_the_sentence():
    answers = np.array([[[0.5, 0.5], [0.9, 0.1], [0.6, 0.4], [0.8, 0.2]]])
    scores = np.log(answers[..., 0] / answers[..., 1])
    why = Why(
        "small", "classification", ("=1\n+1", "b"), ("decision",), "=1\n+1", "", "absent", "", 1.0,
        Modality(("audio", "visual"), (True, True), answers, scores),
        Moments(EDGES, {}, {"audio": np.zeros((1, 4)), "visual": np.zeros((1, 4))}, {}),
    )  # fmt: skip
    assert "\n" not in in_words(why)
    assert "answer =1" in why.to_csv()
    assert not re.search(r"(^|,)=1", why.to_csv(), re.M)
