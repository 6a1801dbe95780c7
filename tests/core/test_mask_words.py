"""`afs.mask` by either word for a modality."""

from __future__ import annotations

import pytest

import affectscope as afs


@pytest.mark.parametrize(("word", "name"), [("sound", "audio"), ("picture", "visual")])
def test_either_word_for_a_modality(word: str, name: str) -> None:
    model, clip = afs.load("auxformer"), afs.corpus("demo").media("held_s2026_00000")
    masked = afs.mask(model, clip, **{word: 0.0})  # type: ignore[arg-type]
    assert masked.evidence[name] is False
    assert masked.predictions.equals(afs.mask(model, clip, **{name: 0.0}).predictions)  # type: ignore[arg-type]
    assert not masked.predictions.equals(model.analyze(clip).predictions)
    with pytest.raises(afs.UserError, match=f"{word} is another word for {name}"):
        afs.mask(model, clip, **{word: 0.5, name: 0.5})  # type: ignore[arg-type]
    with pytest.raises(afs.UserError, match="0 to 1"):
        afs.mask(model, clip, **{word: 1.5})  # type: ignore[arg-type]
