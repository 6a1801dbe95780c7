"""Rendered people: a mouth that opens in the middle, lids and eyes that move as people's do, hair that has a hairline."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from affectscope.core.corpora.demo.identities import people, roster
from affectscope.core.corpora.demo.script import plan

MISSING = [name for name in ("pyvista", "anny") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"drawing people needs {', '.join(MISSING)}")


def _moved(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Every vertex's displacement [M, 3] under one blendshape, and which vertices are lips [M]."""
    from affectscope.core.corpora.demo import puppet

    shared = puppet.rig()
    field = np.zeros_like(shared.template)
    field[shared.moving] = shared.deltas[shared.names.index(name)]
    return field, shared.masks["lips"] > 0.5


def test_the_mouth_opens_in_the_middle() -> None:
    from affectscope.core.corpora.demo import puppet

    field, lips = _moved("jawOpen")
    template, masks = puppet.rig().template, puppet.rig().masks
    assert abs(field[lips, 0].mean()) < 0.005
    middle = template[lips, 1].mean()
    upper, lower = lips & (template[:, 1] > middle + 0.03), lips & (template[:, 1] < middle - 0.03)
    # The upper lip stays before its teeth; the lower one goes, and its teeth and the tongue go further.
    assert field[upper, 1].mean() > -0.03
    assert field[lower, 1].mean() < -0.12
    for part in ("helper-lower-teeth", "helper-tongue"):
        assert field[masks[part] > 0, 1].mean() < -0.18
    assert not field[masks["helper-upper-teeth"] > 0].any()


def test_lids_close_faster_than_they_open() -> None:
    from affectscope.core.corpora.demo.expressions import _blinks

    times = np.arange(0, 20, 0.01)
    closed = _blinks(times, np.random.default_rng(1))
    starts, ends = (np.flatnonzero(np.diff((closed > 0.02).astype(int)) == way) for way in (1, -1))
    assert 4 <= len(starts) <= 14
    first, last = starts[0], ends[0]
    top = first + np.flatnonzero(closed[first : last + 1] == closed[first : last + 1].max())
    assert 0.2 < times[last] - times[first] < 0.4
    assert times[last] - times[top[-1]] > 1.8 * (times[top[0]] - times[first])


def test_a_shut_eye_is_neither_wide_nor_squinting() -> None:
    from affectscope.core.corpora.demo.expressions import _blinked, vector

    face = np.stack([vector({"eyeWide": 0.8, "eyeSquint": 0.5, "browInnerUp": 0.7})] * 2)
    seen = _blinked(face, np.array([0.0, 1.0]))
    np.testing.assert_allclose(seen[0], face[0])
    np.testing.assert_allclose(seen[1], vector({"eyeBlink": 1.0, "eyeSquint": 0.2, "browInnerUp": 0.7}), atol=1e-6)


def test_eyes_stay_on_the_camera_while_the_head_turns() -> None:
    from affectscope.core.corpora.demo.expressions import _gaze
    from affectscope.core.corpora.demo.puppet import rig

    times = np.arange(0, 60, 0.04)
    angles = np.stack([np.full(len(times), 9.0), np.full(len(times), 4.0), np.zeros(len(times))], 1)
    gaze = _gaze(times, angles, np.random.default_rng(2))
    place = {name: gaze[:, rig().names.index(name)] for name in rig().names}
    # The head turns 9 degrees to its left and 4 down: eyes that look at the camera turn as far right and up.
    turn = 22 * (place["eyeLookOutRight"] - place["eyeLookInRight"])
    np.testing.assert_allclose(place["eyeLookInLeft"], place["eyeLookOutRight"])
    assert np.median(turn) == pytest.approx(9, abs=1)
    assert np.median(11 * place["eyeLookUpLeft"]) == pytest.approx(4, abs=1)
    assert np.mean(np.abs(turn - 9) < 3) > 0.75


def test_nobody_has_one_mask_for_an_emotion() -> None:
    from affectscope.core.corpora.demo.expressions import EXPRESSIONS, _emotion
    from affectscope.core.corpora.demo.puppet import rig

    assert all(len(manners) >= 4 for emotion, manners in EXPRESSIONS.items() if emotion != "neutral")
    item = replace(plan(1, 0, "train"), visual_emotion="anger", second="", face_level=1.0)
    faces = [_emotion(item, np.random.default_rng(clip), np.random.default_rng(7)) for clip in range(12)]
    faces += [_emotion(item, np.random.default_rng(3), np.random.default_rng(person)) for person in range(12)]
    apart = [np.abs(a - b).max() for index, a in enumerate(faces) for b in faces[:index]]
    assert np.median(apart) > 0.2
    left = [index for index, name in enumerate(rig().names) if name.endswith("Left")]
    right = [rig().names.index(rig().names[index].removesuffix("Left") + "Right") for index in left]
    lean = np.mean([np.abs(face[left] - face[right]).max() for face in faces])
    assert 0.03 < lean < 0.5


@pytest.mark.parametrize("style", ["short", "afro", "bob", "bun", "receding"])
def test_hair_has_a_soft_hairline_and_leaves_the_face_free(style: str) -> None:
    from affectscope.core.corpora.demo import hair, puppet

    owner = next((person for person in roster() if person.hair_style == style), people("train")[0])
    head = puppet.Puppet(replace(owner, hair_style=style))
    template = puppet.rig().template
    cover = hair._scalp(template, hair.STYLES[style].fringe, 0.0, np.random.default_rng(0))
    front = (template[:, 2] > 0.6) & (np.abs(template[:, 0]) < 0.4) & (template[:, 1] > 7.6)
    assert np.sum((cover[front] > 0.1) & (cover[front] < 0.9)) > 10
    assert any(lock.lines and len(lock.cells) > 1000 for lock in head.hair)
    points = np.concatenate([lock.points for lock in head.hair if lock.lines])
    x, y, z = points.T
    assert not ((np.abs(x) < 0.4) & (y > 6.3) & (y < 7.5) & (z > 1.0)).any()


def test_red_creeps_furthest_into_a_shadow_on_skin() -> None:
    from affectscope.core.corpora.demo.light import Lamps
    from affectscope.core.corpora.demo.script import Look

    lamps = Lamps(Look(side=90.0, up=0.0, key=0.8, fill=0.0, rim=0.0))
    grey = np.full((1, 3), 0.5, np.float32)
    away = np.array([[-0.2, 0.0, 0.98]], np.float32)
    red, green, blue = lamps.shade(grey, away, 0.0, 1.0, "skin")[0].astype(int)
    assert red > green >= blue - 3
    lit = lamps.shade(np.full((1, 3), 5.0, np.float32), np.array([[1.0, 0.0, 0.0]], np.float32), 0.0, 1.0, "skin")
    assert lit.max() <= 255
