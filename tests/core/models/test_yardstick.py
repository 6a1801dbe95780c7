"""The plain writings that `make bench` holds AuxFormer and VAVL against say what these say, and what the GPU's part prints."""

from __future__ import annotations

import pytest
import torch

from benchmarks import gpu
from benchmarks.yardstick import PlainAuxFormer, PlainVAVL
from tests.rewrites.made import batch_of, made_clips, small

WHOLE = {"audio": ((),) * 4, "visual": ((),) * 4}
SIZES = {
    PlainAuxFormer: ("auxformer", {"width": 12, "heads": 3, "layers": 2, "aux_hidden": (7, 9)}),
    PlainVAVL: ("vavl", {"projected": 4, "width": 8, "heads": 2, "layers": 2, "kernel": 5, "hidden": (7, 9)}),
}


@pytest.mark.parametrize("plain", SIZES)
@pytest.mark.parametrize("frames", [(7, 4), (5, 5), (4, 6)])
def test_the_public_codes_variant_is_what_a_plain_writing_says(plain, frames):
    system, sizes = SIZES[plain]
    model = small(system, variant="code", **sizes)
    batch = batch_of(made_clips((frames,) * 4, WHOLE))
    with torch.inference_mode():
        ours, theirs = model(batch), plain(model).eval()(batch)
        mapped = model(batch, attention=True)
    assert set(theirs) == set(ours.predictions)
    for head, logits in theirs.items():
        torch.testing.assert_close(ours.predictions[head], logits, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(mapped.predictions[head], logits, atol=1e-5, rtol=1e-5)


def test_a_papers_figure_stands_beside_what_is_measured(capsys):
    made = gpu.Published("a paper, I", "vavl", "demo", {"audio": 6, "visual": 4}, 3.77, "RTX 3090")
    gpu.against_papers((made,), "cpu")
    printed = capsys.readouterr().out
    assert printed.startswith("a paper, I: 3.77 ms on an RTX 3090; here ")
    assert " ms in float32" in printed


def test_without_a_gpu_nothing_is_measured_and_it_is_said(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    gpu.main()
    assert capsys.readouterr().out == "There is no CUDA GPU on this machine: nothing was measured.\n"


def test_the_papers_settings_can_be_built():
    for figure in gpu.PUBLISHED:
        with torch.device("meta"):
            assert set(gpu.MODELS[figure.system].preset(figure.preset).spec.inputs) == set(figure.frames)
