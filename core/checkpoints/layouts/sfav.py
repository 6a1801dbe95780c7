"""SFAV."""

from __future__ import annotations

import re

from affectscope.core.checkpoints.layouts.base import State, layout
from affectscope.core.checkpoints.layouts.renaming import MODALITY, first_fitting, labels
from affectscope.core.models.sfav import OTHER, SFAVConfig

_FUSED = {
    r"(?:attn\.)?q\.": "query.",
    r"attn\.kv\.": "key_value.",
    r"attn\.proj\.": "out.",
    r"norm1_q\.": "query_norm.",
    r"norm1_k\.": "key_norm.",
    r"norm2\.": "feed_forward.0.",
    r"mlp\.fc1\.": "feed_forward.1.",
    r"mlp\.fc2\.": "feed_forward.3.",
}


@layout(
    "sfav",
    marks=("audio_model.conv1d_0.", "visual_model.conv1d_0.", "classifier_1."),
    known=r"(audio|visual)_model\.conv1d_|av1?\.|va1?\.|classifier_1\.",
)
def sfav(state: State) -> tuple[SFAVConfig, State]:
    """katerynaCh/multimodal-emotion-recognition with any of its three fusions, on its face network's features. One head."""
    fusion = "lt" if "av.attn.q.weight" in state else "it" if "av1.attn.q.weight" in state else "ia"
    converted: State = {}
    for key, value in state.items():
        branch = re.match(r"(audio|visual)_model\.conv1d_([0-3])\.([01])\.(.*)", key)
        cross = re.match(r"(av|va)1?\.(.*)", key)
        if branch:
            stage, number = ("first", int(branch[2])) if branch[2] in "01" else ("second", int(branch[2]) - 2)
            kind = ("convolution", "norm")[int(branch[3])]
            converted[f"{stage}.{branch[1]}.{number}.{kind}.{branch[4]}"] = value
        elif cross:
            # "ia" computes values but does not use them.
            if fusion == "ia" and cross[2].startswith("kv."):
                converted[f"cross.{MODALITY[cross[1][0]]}.key.weight"] = value[: len(value) // 2]
            elif not (fusion == "ia" and cross[2].startswith("proj.")):
                converted[f"cross.{MODALITY[cross[1][0]]}.{first_fitting(cross[2], _FUSED)}"] = value
        elif key.startswith("classifier_1.0."):
            converted[f"out.{key.removeprefix('classifier_1.0.')}"] = value
    kernels = {m: [converted[f"{s}.{m}.{i}.convolution.weight"] for s in ("first", "second") for i in (0, 1)] for m in OTHER}
    config = SFAVConfig(
        labels=labels(converted, "out.weight"),
        fusion=fusion,  # type: ignore[arg-type]
        variant="code",
        audio_dim=kernels["audio"][0].shape[1],
        visual_dim=kernels["visual"][0].shape[1],
        audio_channels=tuple(len(kernel) for kernel in kernels["audio"]),  # type: ignore[arg-type]
        visual_channels=tuple(len(kernel) for kernel in kernels["visual"]),  # type: ignore[arg-type]
    )
    return config, converted
