import numpy as np

from affectscope.core.features.extractors.faces import Detection, crop, main_tracks


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


def test_a_second_face_fills_the_time_that_the_first_leaves_free():
    both = moments(walk(0, 2.5, 100, 50), walk(2.3, 4, 300, 30))
    assert spans(main_tracks(both)) == [(0.0, 2.4, 100), (2.5, 3.9, 300)]


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
