"""Public repositories' checkpoints for tests: one that is at hand, what a model answers, and how a file is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from affectscope.core.checkpoints import foreign
from affectscope.core.checkpoints.choices import NO_CHOICES, Choices
from affectscope.core.errors import UserError
from affectscope.core.streams import Batch
from tests import public_states as public

V2 = public.filled(public.auxformer(10, 12, 10, layers=1, classes=4))
AV = {"a": 6, "v": 5}


def saved(path: Path, content: object, zipped: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def answer(model: nn.Module, seed: int = 0) -> Tensor:
    make = torch.Generator().manual_seed(seed)
    inputs = {m: torch.randn(2, 7, dim, generator=make) for m, dim in model.spec.inputs.items()}
    with torch.inference_mode():
        return torch.cat([model(Batch.of(**inputs)).predictions[head] for head in model.spec.heads], 1)


def refused(path: Path, layout: str = "", choices: Choices = NO_CHOICES) -> str:
    with pytest.raises(UserError) as caught:
        foreign.read(path, layout, choices)
    sentence = str(caught.value)
    assert sentence.startswith(path.name)
    assert sentence.endswith(".")
    assert sentence.isprintable()
    return sentence
