"""Builds a declared network and probes it: the output of one clip tells the heads, layers and dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from affectscope.core.errors import UserError
from affectscope.core.files.tensors import read_tensors
from affectscope.core.models.base import AttentionSpec, ModelSpec
from affectscope.core.plugins.places import told
from affectscope.core.text import shown
from affectscope.core.wrapping.asking import NetworkOutput, ask, watch
from affectscope.core.wrapping.declared import Attention, Declared
from affectscope.core.wrapping.given import Inputs, Modality
from affectscope.core.wrapping.wrapped import WrappedModel

# Length in seconds of the first clip on which a network is tested: long enough for strides and pooling.
_SECONDS = 2.0
# Frames per second where the feature set does not say.
_RATE = 30.0
# Key prefixes added by DataParallel and torch.compile.
_WRAPPERS = ("module.", "_orig_mod.")


@dataclass(frozen=True)
class Made:
    """A wrapped model, and remarks about it, a sentence each."""

    model: WrappedModel
    remarks: tuple[str, ...]


def make(declared: Declared, path: Path | None = None, state: Mapping[str, Tensor] | None = None) -> Made:
    """Build a network and wrap it.

    Args:
        path: of its weights; default: the declaration's.
        state: its weights, instead of a path.

    Raises:
        UserError: when there are no weights, or the network cannot be built or called.
    """
    takes = {modality: _takes(declared, modality, name) for modality, name in declared.inputs.items()}
    # The caller may be in inference mode, but heatmaps need gradients.
    with torch.inference_mode(False):
        network = _built(declared, path or declared.weights, state)
    # TorchScript has no requires_grad_.
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    network.eval()
    watch(declared, network)
    inputs = _first_clip(takes, declared.reference)
    with torch.inference_mode():
        output = ask(declared, network, inputs, attention=True, first=True)
    spec = _spec(declared, takes, output)
    widths = {name: value.shape[1] for name, value in output.vectors.items()}
    return Made(WrappedModel(declared, network, spec, takes, widths).eval(), tuple(_remarks(declared, inputs, output)))


def read_state(path: str | Path, strip: str = "") -> dict[str, Tensor]:
    """Read weights from a file, by key, without the prefixes of DataParallel and torch.compile. Nothing is unpickled.

    Args:
        strip: prefix of the network's keys, such as ``net.`` of a Lightning module; other keys are dropped.

    Raises:
        UserError: when the file is missing or damaged, or would need to run code.
    """
    path = Path(path).expanduser()
    state = read_tensors(path)[0]
    while wrapper := next((w for w in _WRAPPERS if state and all(key.startswith(w) for key in state)), ""):
        state = {key.removeprefix(wrapper): value for key, value in state.items()}
    if not strip:
        return state
    own = {key.removeprefix(strip): value for key, value in state.items() if key.startswith(strip)}
    if not own:
        first = shown(next(iter(state)))
        raise UserError(f"{shown(path.name)} has no key that begins with {shown(strip)}: the first is {first}.")
    return own


def _takes(declared: Declared, modality: str, name: str) -> Modality:
    # Imports decoders, which declaring a model does not need.
    from affectscope.core.features.sets import FEATURE_SETS

    if (feature_set := FEATURE_SETS.get(name)) is None:
        raise UserError(f"{declared.name} takes {shown(name)} as {shown(modality)}, and there is no such feature set: choose one "
                        f"of {', '.join((*FEATURE_SETS, *FEATURE_SETS.families))}, or register it with affectscope.feature_set "
                        "or affectscope.arrays.")  # fmt: skip
    return Modality(name, feature_set.dim, feature_set.shape, feature_set.rate or _RATE, declared.absence.get(modality, "zeros"))


def _built(declared: Declared, path: Path | None, state: Mapping[str, Tensor] | None) -> nn.Module:
    given: dict[str, object] = {}
    if declared.wants and (path is not None or state is not None):
        given = {"path": path} if declared.wants == "path" else {"state": dict(state or read_state(path or ""))}
    elif declared.wants and declared.needed:
        raise UserError(f"{declared.name} needs weights: name them as {declared.name}=PATH, or with weights= in its plugin.")
    try:
        network = declared.build(**given)
    except UserError:
        raise
    # User code may raise any error.
    except Exception as error:
        of = f" of {shown(path.name)}" if path is not None else ""
        raise UserError(f"{declared.name} could not be built{of}: {told(error)}.") from error
    if not isinstance(network, nn.Module):
        raise UserError(f"{declared.name} was built as {type(network).__name__}: its function must return an nn.Module.")
    return _bare(network)


def _bare(network: nn.Module) -> nn.Module:
    """The network without what torch.compile and DataParallel put around it or its parts: hooks see into modules as they were
    written, and these have the names that the person gave them."""
    while isinstance(inside := getattr(network, "_orig_mod" if hasattr(network, "_orig_mod") else "module", None), nn.Module):
        if not (hasattr(network, "_orig_mod") or isinstance(network, nn.DataParallel)):
            break
        network = inside
    for name, part in list(network.named_children()):
        if (bare := _bare(part)) is not part:
            setattr(network, name, bare)
    # What `module.compile()` leaves behind.
    network._compiled_call_impl = None
    return network


def _first_clip(takes: Mapping[str, Modality], reference: str) -> Inputs:
    """Two seconds of small values, all present; with a reference, the same number of frames in each modality."""
    counts = {m: max(2, round(_SECONDS * takes[reference or m].rate)) for m in takes}
    waves = {
        m: torch.arange(counts[m] * taken.dim, dtype=torch.float32).sin().view(1, -1, taken.dim) for m, taken in takes.items()
    }
    values = {m: takes[m].framed(0.5 + 0.5 * wave) for m, wave in waves.items()}
    present = {m: torch.ones(1, count, dtype=torch.bool) for m, count in counts.items()}
    return Inputs(values, present, {m: torch.tensor([count]) for m, count in counts.items()}, wants_attention=True)


def _spec(declared: Declared, takes: Mapping[str, Modality], output: NetworkOutput) -> ModelSpec:
    heads = tuple(declared.heads) or tuple(output.predictions)
    if missing := [head for head in heads if head not in output.predictions]:
        names = ", ".join(map(shown, output.predictions))
        raise UserError(f"{declared.name} gives no answer as its head {shown(missing[0])}: it answers as {names}.")
    every = tuple(takes)
    # A head named after a modality uses that modality alone.
    told = {head: declared.heads.get(head, (head,) if head in takes else every) for head in heads}
    if strange := [head for head in declared.decision if head not in heads]:
        raise UserError(f"{declared.name} has no head {shown(strange[0])} to decide: choose one of {', '.join(heads)}.")
    attention = tuple(
        AttentionSpec(own.name, own.query, own.key, len(maps := output.weights[own.name]), maps[0].shape[1])
        for own in declared.attentions
    )
    vectors = tuple(vector.name for vector in declared.vectors)
    if strange := [name for pair in declared.together for name in pair if name not in vectors]:
        raise UserError(f"{declared.name} has no embedding {shown(strange[0])} to share: declare it with embedding().")
    return ModelSpec(
        declared.name, {m: modality.dim for m, modality in takes.items()}, declared.labels, heads, told,
        declared.decision or heads[:1], attention, vectors, tuple(declared.together), declared.task, declared.reference or None,
        features=dict(declared.inputs), absence={m: modality.absence for m, modality in takes.items()},
    )  # fmt: skip


def _remarks(declared: Declared, inputs: Inputs, output: NetworkOutput) -> list[str]:
    noticed = []
    for attention in declared.attentions:
        maps = output.weights[attention.name][0]
        _check_sides(declared, attention, maps, inputs)
        sides = dict.fromkeys([(attention.query, maps.shape[-2]), (attention.key, maps.shape[-1])])
        # A single query is valid: it pools the frames.
        off = [f"{have} frames for {count} of {m}" for m, have in sides if have not in (1, count := inputs[m].shape[1])]
        if off:
            noticed.append(f"Its attention {attention.name} has {' and '.join(off)}: matched by proportion.")
    answer = next(iter(output.predictions.values()))
    if declared.reference and answer.ndim == 3 and answer.shape[1] != (count := inputs[declared.reference].shape[1]):
        noticed.append(f"It answers {answer.shape[1]} times for {count} frames of {declared.reference}: matched by proportion.")
    if declared.task == "regression" and not declared.prior and bool((answer.abs() >= 1).all() & (answer > 0).all()):
        noticed.append(
            f"Its values begin at {float(answer.min()):.2g}, and without any evidence it would say 0: where its scale does not "
            "hold that, say prior=, such as 4 on a scale of 1 to 7."
        )
    if declared.outputs == "logits" and declared.task == "classification" and _are_probabilities(answer):
        noticed.append('Its answers look like probabilities: where they are, say outputs="probabilities".')
    return noticed


def _check_sides(declared: Declared, attention: Attention, maps: Tensor, inputs: Inputs) -> None:
    """
    Raises:
        UserError: when the tokens are as many as the frames of all modalities together, and nobody said which is which; or the
            rows are as many as there are keys, and the columns as there are queries.
    """
    queries, keys = inputs[attention.query].shape[1], inputs[attention.key].shape[1]
    if queries != keys and maps.shape[-2:] == (keys, queries):
        raise UserError(
            f"The attention {shown(attention.name)} of {declared.name}{declared.place} is the other way round: of {queries} "
            f"frames of {attention.query} and {keys} of {attention.key} it has {maps.shape[-2]} rows and {maps.shape[-1]} "
            "columns. Rows are those that look, the query."
        )
    every = sum(inputs[m].shape[1] for m in inputs.modalities)
    if len(inputs.modalities) > 1 and not attention.among and every <= maps.shape[-1] <= every + 2:
        raise UserError(
            f"The attention {shown(attention.name)} of {declared.name}{declared.place} looks at {maps.shape[-1]} tokens, as many "
            f"as frames of {' and '.join(inputs.modalities)} together: say with among= in which order they lie, and with skip= "
            "what precedes them."
        )


def _are_probabilities(answer: Tensor) -> bool:
    return answer.shape[-1] > 1 and bool((answer >= 0).all()) and bool(((answer.sum(-1) - 1).abs() < 1e-4).all())
