"""The explanation methods by name: from a ``VisualPath`` to heatmaps of the face, or from a ``AudioPath`` to a map of the sound.

Plugins can add methods (``affectscope.explanation``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from torch import Tensor

from affectscope.core.errors import UserError
from affectscope.core.explain import attending, attributing, cams, sound
from affectscope.core.explain.cams import SIDE, enlarged
from affectscope.core.explain.paths import VisualPath
from affectscope.core.explain.sound import AudioPath
from affectscope.core.registry import Registry
from affectscope.core.text import shown

__all__ = ["METHODS", "SIDE", "Hears", "Method", "Reads", "add", "enlarged", "take"]

Reads = Literal["pixels", "layer", "layers", "tokens"]
Hears = Literal["values", "layer", "attention", "rollout"]


@dataclass(frozen=True)
class Method:
    """One explanation method.

    Attributes:
        title: as shown to the user.
        source: citation, and what it does.
        maps: road -> [S, P, h, w], the evidence for each score in each face; any size, >= 0, on one scale per clip. None for
            methods for sound only.
        reads: what the road must have: ``layer``, several ``layers``, ``tokens`` with self-attention, or just ``pixels``.
        sounds: road -> [S, T, D], the evidence for (or, below 0, against) each score per frame and column; or [S, T, 1] per
            frame. None for methods for pictures only.
        hears: what that road must have: a ``layer``, ``attention`` with the sound as keys, self-attention of the sound in several
            layers (``rollout``), or just ``values``.
        slow: whether a clip of three seconds takes longer than a second on two cores.
        digest: hash of a user-defined method's sources, part of cache keys.
    """

    title: str
    source: str
    maps: Callable[[VisualPath], Tensor] | None = None
    reads: Reads = "layer"
    sounds: Callable[[AudioPath], Tensor] | None = None
    hears: Hears = "values"
    slow: bool = False
    digest: str = ""


METHODS: Registry[Method] = Registry("explanation")


_RANKED: tuple[tuple[str, Method], ...] = (
    (
        "contrast",
        Method(
            "Change for the class",
            "The last layer's LayerCAM, times gradient times change: what the first layer holds beyond its mean over the clip. "
            "In the pointing game on the bundled clips, whose truth is where the face moves for the emotion, auxformer's two "
            "heads hit 55 and 60 % of the frames, two layers' LayerCAM 44 and 46 (chance 22). With random weights in the heads "
            "of another model it still hit 47 to 59: much of what it shows is what the encoder sees change; with those of the "
            "encoder random, chance and below.",
            cams.contrast,
            "layers",
        ),
    ),
    (
        "layer-cam-product",
        Method(
            "LayerCAM, two layers",
            "The root of the product of two layers' LayerCAM maps: where both find evidence. Plain Grad-CAM, which averages the "
            "gradient over the map, loses where in mini-XCEPTION: in the pointing game on 60 training clips it hit 1.1 to 1.3 "
            "times as often as chance, the product of the third block's maps, 8x8, and the fourth's, 4x4, 1.9 to 2.2 times, "
            "either block alone or their mean less on one of two sets.",
            cams.layer_cam_product,
            "layers",
        ),
    ),
    (
        "layer-cam",
        Method(
            "LayerCAM",
            "Jiang et al. 2021: each place weighted by its own positive gradient.",
            cams.on_pictures(cams.layer_cam),
            sounds=sound.of_layer(cams.layer_cam),
            hears="layer",
        ),
    ),
    (
        "grad-cam",
        Method(
            "Grad-CAM",
            "Selvaraju et al. 2017: channels weighted by their mean gradient.",
            cams.on_pictures(cams.grad_cam),
            sounds=sound.of_layer(cams.grad_cam),
            hears="layer",
        ),
    ),
    (
        "grad-cam++",
        Method(
            "Grad-CAM++",
            "Chattopadhay et al. 2018: positive gradients weighted by higher derivatives.",
            cams.on_pictures(cams.grad_cam_plus_plus),
            sounds=sound.of_layer(cams.grad_cam_plus_plus),
            hears="layer",
        ),
    ),
    (
        "hires-cam",
        Method(
            "HiResCAM",
            "Draelos and Carin 2020: gradient times value at each place; of what a network is given, gradient times input.",
            cams.on_pictures(cams.hires_cam),
            "pixels",
            sound.of_layer(cams.hires_cam),
            "layer",
        ),
    ),
    (
        "gradient-input",
        Method(
            "Gradient times input",
            "Shrikumar et al. 2016: the gradient on each number of the sound times how far it lies from the training mean.",
            sounds=sound.gradient_times_input,
        ),
    ),
    (
        "score-cam",
        Method(
            "Score-CAM",
            "Wang et al. 2020: channels weighted by the score of faces that show what they mark; slow, once through for each "
            "channel.",
            cams.score_cam,
            slow=True,
        ),
    ),
    (
        "integrated-gradients",
        Method(
            "Integrated Gradients",
            "Sundararajan et al. 2017: change times mean gradient on the straight way from faces of one colour, or from a sound "
            "that is the training mean throughout; of faces added up over cells and smoothed.",
            attributing.integrated,
            "pixels",
            sound.integrated,
            slow=True,
        ),
    ),
    (
        "occlusion",
        Method(
            "Occlusion",
            "Zeiler and Fergus 2014: how much the score falls when a patch of the face is hidden for a third of a second, or "
            "when a group of descriptors or a band is replaced by the training mean for a while.",
            attributing.occlusion,
            "pixels",
            sound.occlusion,
            slow=True,
        ),
    ),
    (
        "gradient-attention",
        Method(
            "Gradient-weighted attention",
            "Chefer et al. 2021: attention times its positive gradient, from layer to layer; for vision transformers.",
            attending.weighted,
            "tokens",
        ),
    ),
    (
        "attention-rollout",
        Method(
            "Attention rollout",
            "Abnar and Zuidema 2020: attention multiplied from layer to layer, whatever is asked.",
            attending.rollout,
            "tokens",
            sound.rolled_out,
            "rollout",
        ),
    ),
    (
        "attention",
        Method(
            "Attention",
            "What is attended to, whatever is asked: in a face by the last layer of a vision transformer, in the sound by all "
            "attentions that look at it.",
            attending.last,
            "tokens",
            sound.attended,
            "attention",
        ),
    ),
)
for _name, _method in _RANKED:
    METHODS.register(_name)(_method)
_OURS = frozenset(METHODS)


def add(name: str, title: str, source: str, modality: str, reads: str, draw: Callable[[Any], Tensor], digest: str = "") -> None:
    """Register a user-defined method for one modality. A method of the same name for the other modality is kept.

    Args:
        reads: as in ``Method.reads`` or ``Method.hears``; "" for the default.

    Raises:
        UserError: when the name is built in, or the modality or ``reads`` is unknown.
    """
    if name in _OURS:
        raise UserError(f"There is already an explanation called {shown(name)}: choose another name for yours.")
    known = {"visual": get_args(Reads), "audio": get_args(Hears)}
    if modality not in known:
        raise UserError(f"An explanation is for visual or audio, not for {shown(modality)}.")
    reads = reads or known[modality][0]
    if reads not in known[modality]:
        raise UserError(f"An explanation for {modality} reads one of {', '.join(known[modality])}, not {shown(reads)}.")
    before = replace(METHODS[name] if name in METHODS else Method(title, source), title=title, source=source, digest=digest)
    own: dict[str, Any] = {"maps": draw, "reads": reads} if modality == "visual" else {"sounds": draw, "hears": reads}
    METHODS.replace(name, replace(before, **own))


def take(offered: tuple[str, ...], explanation: str | None, elsewhere: str, needs: Mapping[str, str]) -> str:
    """The chosen method, or the first of those that apply.

    Args:
        elsewhere: what the methods for the other modality explain, for the error message.
        needs: method -> what this model lacks for it.

    Raises:
        UserError: when the method is unknown, or does not apply to this model.
    """
    if explanation is None or explanation in offered:
        return explanation or offered[0]
    method, choice = METHODS[explanation], f"choose one of {', '.join(offered)}."
    if explanation not in needs:
        raise UserError(f"{method.title} explains {elsewhere}: {choice}")
    raise UserError(f"{method.title} needs {needs[explanation]}: {choice}")
