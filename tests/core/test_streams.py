import numpy as np
import pytest
import torch

from affectscope.core.streams import Batch, Stream


def stream(frames: int, dim: int = 2) -> Stream:
    return Stream(np.ones((frames, dim), np.float32), np.arange(frames) / 10, np.ones(frames, bool))


def test_clips_of_any_length_are_padded_and_the_padding_is_absent():
    clips = [{"audio": stream(3), "visual": stream(1, 4)}, {"audio": stream(5)}]
    batch = Batch.collate(clips, {"audio": 2, "visual": 4})
    assert batch.present["audio"].tolist() == [[True] * 3 + [False] * 2, [True] * 5]
    assert batch.present["visual"].tolist() == [[True], [False]]
    assert batch.values["audio"][0].tolist() == [[1, 1]] * 3 + [[0, 0]] * 2


def test_a_batch_without_any_frame_still_has_one_absent_step():
    batch = Batch.collate([{}], {"audio": 2})
    assert batch.present["audio"].tolist() == [[False]]


def test_absent_frames_hold_zeros_even_where_nan_was_put_in():
    batch = Batch.of(audio=np.full((1, 2, 3), np.nan), present={"audio": [[False, False]]})
    assert batch.values["audio"].abs().sum() == 0


def test_masking_only_takes_away():
    batch = Batch.of(audio=torch.ones(1, 3, 1), present={"audio": [[True, True, False]]})
    kept = batch.masked(audio=torch.tensor([[False, True, True]]))
    assert kept.present["audio"].tolist() == [[False, True, False]]
    assert kept.values["audio"].flatten().tolist() == [0, 1, 0]
    assert not batch.without("audio").present["audio"].any()


def test_wrong_widths_and_shapes_are_refused():
    with pytest.raises(ValueError, match="audio stream has 3 features a frame where the model expects 2"):
        Batch.collate([{"audio": stream(2, 3)}], {"audio": 2})
    with pytest.raises(ValueError, match="presence mask of audio"):
        Batch.of(audio=torch.ones(1, 3, 1), present={"audio": [[True]]})
    with pytest.raises(ValueError, match="one time"):
        Stream(np.ones((2, 1), np.float32), np.zeros(3), np.ones(3, bool))


def test_a_minute_of_pixels_is_asked_about_in_few_copies():
    features = Batch.of(audio=np.ones((1, 6000, 130)), visual=np.ones((1, 1800, 135)))
    assert features.copies_at_once(60_000) == 10
    # 1,800 frames of 96 x 96 x 3 are 49,766,400 numbers; two such rows fit into 2**27.
    pixels = Batch({"visual": torch.zeros(1).expand(1, 1800, 27_648)}, {"visual": torch.ones(1, 1800, dtype=torch.bool)})
    assert pixels.copies_at_once(60_000) == 2
