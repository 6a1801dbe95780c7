import numpy as np
import pytest

from affectscope.core.errors import UserError
from affectscope.core.features.extractors.faces import FaceTrack, crop
from affectscope.core.features.extractors.people import main_tracks, people
from affectscope.core.features.extractors.tracks import Detection, link


def walk(start: float, end: float, x: float, half: float = 50.0) -> list[Detection]:
    return [Detection(t, x, 100.0, half, 0.99) for t in np.arange(start, end, 0.1)]


def moments(*tracks: list[Detection]) -> list[list[Detection]]:
    times = np.arange(0, 4, 0.1)
    return [[d for track in tracks for d in track if abs(d.time - t) < 1e-6] for t in times]


def spans(tracks) -> list[tuple[float, float, float]]:
    return [(round(t[0].time, 1), round(t[-1].time, 1), t[0].x) for t in tracks]


def test_the_larger_face_is_the_main_one():
    assert spans(main_tracks(moments(walk(0, 4, 100, 50), walk(0, 4, 300, 30)))) == [(0.0, 3.9, 100)]


def test_a_short_gap_is_bridged_and_a_long_one_is_not():
    short = moments(walk(0, 1.5, 100), walk(1.9, 4, 104))
    assert spans(main_tracks(short)) == [(0.0, 3.9, 100)]
    long = moments(walk(0, 1, 100), walk(2, 4, 104))
    assert spans(main_tracks(long)) == [(0.0, 0.9, 100), (2.0, 3.9, 104)]


def seen_at(*times: float) -> list[list[Detection]]:
    return [[Detection(float(t), 100.0, 100.0, 50.0, 0.99)] for t in times]


def test_a_film_of_one_picture_a_second_has_no_gaps():
    """Nobody looked between two pictures: a screen recording that stands still, or a camera that takes one a second."""
    assert spans(main_tracks(seen_at(0, 1, 2, 3))) == [(0.0, 3.0, 100)]
    slower = seen_at(*np.arange(0, 1, 0.1), 2, 3, 4, 5)
    assert spans(main_tracks(slower)) == [(0.0, 5.0, 100)]
    looked_in_vain = [*seen_at(0, 0.1, 0.2), *([] for _ in range(8)), *seen_at(1.1, 1.2, 1.3)]
    assert spans(main_tracks(looked_in_vain)) == [(0.0, 0.2, 100), (1.1, 1.3, 100)]


def test_a_face_that_was_seen_beside_the_first_is_not_read_in_its_place():
    both = people(moments(walk(0, 2.5, 100, 50), walk(2.3, 4, 300, 30)))
    assert [spans(tracks) for tracks in both.tracks] == [[(0.0, 2.4, 100)], [(2.3, 3.9, 300)]]


def test_a_face_that_jumps_while_nobody_else_is_there_is_taken_up_again():
    found = people(moments(walk(0, 2, 100, 50), walk(2, 4, 300, 30)))
    assert [spans(tracks) for tracks in found.tracks] == [[(0.0, 1.9, 100), (2.0, 3.9, 300)]]


def test_two_boxes_in_one_place_are_one_face():
    found = people(moments(walk(0, 2.5, 100, 50), walk(2.2, 4, 108, 22)))
    assert [spans(tracks) for tracks in found.tracks] == [[(0.0, 2.4, 100), (2.5, 3.9, 108)]]


def path(start: float, x: float, speed: float, y: float = 100.0, look=None) -> list[Detection]:
    return [Detection(t, x + speed * (t - start), y, 50.0, 0.99, look=look) for t in np.arange(start, 4, 0.1)]


def test_two_that_cross_are_told_apart_by_their_ways():
    # They meet in the middle at 2 s: the nearest box there is the other one's.
    crossed = link(moments(path(0, 100, 100), path(0, 500, -100)))
    assert sorted((round(t[0].x), round(t[-1].x)) for t in crossed) == [(100, 490), (500, 110)]


def looks(*shares: float) -> np.ndarray:
    return np.sqrt(np.array(shares))


RED, BLUE = looks(0.95, 0.05), looks(0.05, 0.95)


def test_where_paths_mislead_after_a_meeting_looks_tell_who_is_who():
    # One stands still and turns from red to blue while the other does the reverse beside it: they have changed places.
    def place(x: float, before: np.ndarray, after: np.ndarray) -> list[Detection]:
        return [Detection(t, x, 100.0, 50.0, 0.99, look=before if t < 2 else after) for t in np.arange(0, 4, 0.1)]

    found = people(moments(place(100, RED, BLUE), place(300, BLUE, RED)))
    for tracks in found.tracks:
        assert len({d.look[0] for track in tracks for d in track}) == 1
    assert sorted(spans(tracks)[0] for tracks in found.tracks) == [(0.0, 1.9, 100.0), (0.0, 1.9, 300.0)]


def test_it_is_said_where_two_that_look_alike_meet():
    alike = people(moments(path(0, 100, 100, look=RED), path(0, 500, -100, look=RED)))
    assert alike.remarks == ("Two faces meet at 1.7 s and look alike: who is who after it was told by their paths alone.",)
    assert people(moments(path(0, 100, 100, look=RED), path(0, 500, -100, look=BLUE))).remarks == ()


def shot(start: float, end: float, number: int, look: np.ndarray, x: float = 100.0) -> list[Detection]:
    return [Detection(t, x, 100.0, 50.0, 0.99, number, look) for t in np.arange(start, end, 0.1)]


def test_a_cut_ends_tracks_and_it_is_said_who_the_face_after_it_is_taken_for():
    same = people(moments(shot(0, 2, 0, RED), shot(2, 4, 1, RED)))
    assert [spans(tracks) for tracks in same.tracks] == [[(0.0, 1.9, 100), (2.0, 3.9, 100)]]
    assert same.remarks == ("The picture cuts at 2.0 s: the face after it is taken to be the same person's, by colours alone.",)
    other = people(moments(shot(0, 2.2, 0, RED), shot(2.2, 4, 1, BLUE)))
    assert [spans(tracks) for tracks in other.tracks] == [[(0.0, 2.1, 100)], [(2.2, 3.9, 100)]]
    assert other.remarks == ("The picture cuts at 2.2 s: face 2 after it is taken to be another person.",)


def test_the_face_that_is_read_can_be_chosen():
    everyone = np.stack([np.full((3, 4), 0.1, np.float32), np.full((3, 4), 0.5, np.float32)])
    track = FaceTrack(np.arange(3.0), everyone[0], everyone)
    assert track.of(None) is track
    assert track.of(2).number == 2
    assert (track.of(2).boxes == 0.5).all()
    assert track.of(2).of(1).boxes[0, 0] == np.float32(0.1)
    with pytest.raises(UserError, match="no face 3 in the clip, where 2 faces were found: choose 1 to 2"):
        track.of(3)


def test_a_flicker_is_no_face():
    assert main_tracks(moments(walk(1.0, 1.15, 100))) == []
    assert main_tracks(moments()) == []
    assert main_tracks([]) == []


def test_a_crop_outside_the_picture_goes_on_with_the_edge():
    picture = np.full((80, 80, 3), 90, np.uint8)
    for x, y in ((0, 0), (79, 40), (-200, 40)):
        cut = crop(picture, x, y, 30)
        assert cut.shape == (64, 64)
        assert (cut == 90).all()


def test_a_crop_keeps_what_is_where():
    picture = np.zeros((200, 200, 3), np.uint8)
    picture[:, 100:] = 255
    cut = crop(picture, 100, 100, 64)
    assert cut[:, :28].max() < 20
    assert cut[:, 36:].min() > 235
