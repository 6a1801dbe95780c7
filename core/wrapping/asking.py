"""One forward pass of a wrapped network, and its output in a common form: predictions per head, attention weights, vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from affectscope.core.errors import UserError
from affectscope.core.plugins.places import told
from affectscope.core.text import shown
from affectscope.core.wrapping.declared import Attention, Declared
from affectscope.core.wrapping.given import Inputs
from affectscope.core.wrapping.shapes import as_maps, vector_of
from affectscope.core.wrapping.taking import Tape, recording, watch_attention, watch_output, weights_in

# How many module names an error message suggests.
_NEAR = 8
# Probabilities are clamped to this before their logarithm is taken.
_LEAST = 1e-12
# What their sum may differ by from one, in half precision.
_NEAR_ONE = 1e-2
_PRECISIONS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
# How PyTorch says that a batch normalisation has too little to normalise by.
_ONE_VALUE = "more than 1 value per channel"


@dataclass(frozen=True)
class NetworkOutput:
    """The output of a wrapped network for a batch.

    Attributes:
        predictions: head -> [B, outputs] or [B, t, outputs].
        vectors: embedding -> [B, D].
        weights: attention -> [B, heads, q, k] per layer; empty unless requested.
    """

    predictions: Mapping[str, Tensor]
    vectors: Mapping[str, Tensor]
    weights: Mapping[str, Sequence[Tensor]] = field(default_factory=dict)


def watch(declared: Declared, network: nn.Module) -> None:
    """Register hooks on the declared attentions and embeddings.

    Raises:
        UserError: when there is no such module.
    """
    for attention in declared.attentions:
        for module in _watchable(declared, network, attention.module) if attention.module else ():
            watch_attention(attention.name, module, attention.take)
    for vector in declared.vectors:
        for module in _watchable(declared, network, vector.module) if vector.module else ():
            watch_output(vector.name, module, vector.of)


def module_at(declared: Declared, network: nn.Module, path: str) -> nn.Module:
    """The module at a path of the network.

    Raises:
        UserError: when there is no such module.
    """
    return _watchable(declared, network, path)[0]


def ask(declared: Declared, network: nn.Module, inputs: Inputs, attention: bool, first: bool = False) -> NetworkOutput:
    """Run the network and read its output.

    Args:
        first: whether this is the probe that tells what the network returns. The probe's clip is long, so that the number of
            frames cannot be mistaken for the number of labels.

    Raises:
        UserError: when the network fails or returns something that cannot be read; names the line of the user's file.
    """
    given = inputs.handed(_precision(network))
    try:
        with recording(attention) as tape, settings_kept():
            answer = declared.answer(network, given) if declared.answer else network(*(given[m] for m in given.modalities))
    except UserError:
        raise
    # A user's network may raise any error.
    except Exception as error:
        shapes = " and ".join(f"{shown(m)} {list(inputs[m].shape)}" for m in inputs.modalities)
        why = f"{told(error)}{_by_batch(network, error)}"
        raise UserError(f"{declared.name} could not answer, given {shapes}: {why}.") from error
    clips = len(inputs)
    named, rest = _named(declared, answer, first)
    predictions = {head: _logits(declared, head, value, clips, len(named) > 1) for head, value in named.items()}
    vectors = {vector.name: _vector(declared, vector.name, vector.call, tape, rest, clips) for vector in declared.vectors}
    weights = {spec.name: _weights(declared, spec, tape, rest, inputs) for spec in declared.attentions} if attention else {}
    return NetworkOutput(predictions, vectors, weights)


@contextmanager
def settings_kept() -> Iterator[None]:
    """What a network may set for the whole process is set back: others run in it too."""
    gradients, kind, threads = torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_grad_enabled(gradients)
        torch.set_default_dtype(kind)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


def _precision(network: nn.Module) -> torch.dtype:
    """What all weights of the network are kept in, which it takes of what it is given, too; 32 bits where they are mixed."""
    kinds = {weights.dtype for weights in network.parameters() if weights.is_floating_point()}
    return kinds.pop() if len(kinds) == 1 and kinds <= _PRECISIONS else torch.float32


def _by_batch(network: nn.Module, error: Exception) -> str:
    """Where a network fails of one clip, or frame, because it normalises by what comes together: a clause that names the part."""
    if _ONE_VALUE not in str(error):
        return ""
    parts = [name or "it" for name, part in network.named_modules() if by_batch(part)]
    return f"; {shown(parts[0])} normalises by the batch's own statistics, of which one clip has none" if parts else ""


def by_batch(part: nn.Module) -> bool:
    """Whether a module normalises by the statistics of the batch, also in evaluation."""
    return isinstance(part, _NORMS) and (part.training or part.running_mean is None)


def _watchable(declared: Declared, network: nn.Module, path: str) -> list[nn.Module]:
    """Raises:
    UserError: when there is no such module, or Python never gets to see it run.
    """
    modules = _modules(declared, network, path)
    if any(isinstance(module, torch.jit.ScriptModule) for module in modules):
        raise UserError(
            f"{declared.name}{declared.place} names {shown(path)}, which is TorchScript, and nobody can look into it: build the "
            "network from its class, or leave out what names a module."
        )
    return modules


def _modules(declared: Declared, network: nn.Module, path: str) -> list[nn.Module]:
    known = dict(network.named_modules())
    modules = [module for name, module in known.items() if name and fnmatchcase(name, path)]
    # A star matches one component of a path, not several.
    modules = [m for n, m in known.items() if n and n.count(".") == path.count(".") and fnmatchcase(n, path)] or modules
    if not modules:
        names = [name for name in known if name]
        near = list(dict.fromkeys([*get_close_matches(path, names, _NEAR, 0.0), *names]))
        listed = ", ".join(map(shown, near[:_NEAR])) + (f" and {len(near) - _NEAR} more" if len(near) > _NEAR else "")
        raise UserError(f"{declared.name}{declared.place} has no module {shown(path)}: it has {listed or 'none'}.")
    return modules


def _named(declared: Declared, answer: Any, first: bool) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Predictions per head, and the other values returned, by name."""
    heads = list(declared.heads) or [_only_head(declared)]
    if getattr(answer, "logits", None) is not None:
        # The output class of Hugging Face's models.
        return {heads[0]: answer.logits}, {"attentions": getattr(answer, "attentions", None)}
    if isinstance(answer, Mapping):
        rest = {name: value for name, value in answer.items() if name in declared.beside or name == "attentions"}
        return {str(name): value for name, value in answer.items() if name not in rest}, rest
    if isinstance(answer, tuple | list) and len(heads) > 1:
        return dict(zip(heads, answer, strict=False)), {}
    if first and isinstance(answer, tuple | list) and sum(_is_answer(declared, value) for value in answer) > 1:
        raise UserError(f"{declared.name}{declared.place} gives several answers without names: return a dict by head, or name "
                        "the heads in their order with heads=.")  # fmt: skip
    return {heads[0]: answer[0] if isinstance(answer, tuple | list) and answer else answer}, {}


def _is_answer(declared: Declared, value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim in (2, 3) and value.shape[-1] == len(declared.labels)


def _only_head(declared: Declared) -> str:
    if len(declared.inputs) == 1:
        return next(iter(declared.inputs))
    # Displayed as "audio-visual".
    return "av" if set(declared.inputs) == {"audio", "visual"} else "all"


def _logits(declared: Declared, head: str, value: Any, clips: int, several: bool) -> Tensor:
    count, name = len(declared.labels), declared.name
    no_head = "; what is no head is declared with embedding() or attention(), or left out in forward()" if several else ""
    if not isinstance(value, Tensor):
        kind = type(value).__name__
        raise UserError(f"{name} answers with {kind} as its head {shown(head)}: return a tensor, or a dict of them{no_head}.")
    wanted = f"[{clips}, {'frames, ' if declared.reference else ''}{count}]"
    full = 3 if declared.reference else 2
    if count == 1 and value.shape[-1:] != (1,):
        value = value.unsqueeze(-1)
    if clips == 1 and value.ndim == full - 1 and len(value) != 1:
        value = value[None]
    # A model with a reference may still return one prediction for all frames.
    if value.ndim not in (2, full) or len(value) != clips or value.shape[-1] != count:
        by = "visual" if "visual" in declared.inputs else next(iter(declared.inputs))
        hint = "" if declared.reference or value.ndim != 3 else f', and reference="{shown(by)}" where it answers by frame'
        if declared.reference and value.ndim == 3 and value.shape[1:] == (clips, count):
            hint = "; where time comes first, return its transpose(0, 1)"
        raise UserError(f"{name}{declared.place} answers with {list(value.shape)} as its head {shown(head)}, where {wanted} is "
                        f"wanted: {count} labels were named{hint}{no_head}.")  # fmt: skip
    return value.float() if declared.outputs == "logits" else _of_probabilities(declared, value.float())


def _of_probabilities(declared: Declared, value: Tensor) -> Tensor:
    """Logits that read as these probabilities.

    Raises:
        UserError: when they are none: their logarithms would read as something that nobody answered.
    """
    who = f'{declared.name}{declared.place} answers with what are no probabilities, as outputs="probabilities" has it'
    if bool((value < -_NEAR_ONE).any()):
        raise UserError(f"{who}: some lie below 0. Of logits, or logarithms of probabilities, leave outputs= out.")
    if bool(((total := value.sum(-1)) - 1).abs().max() > _NEAR_ONE):
        far = float(total.flatten()[(total - 1).abs().argmax()])
        raise UserError(f'{who}: those of a clip are {far:.3g} in all. Of sigmoids, one for each label, say task="regression": '
                        "each label is then shown by itself.")  # fmt: skip
    return value.clamp(min=_LEAST).log()


def _vector(declared: Declared, name: str, call: int, tape: Tape, rest: Mapping[str, Any], clips: int) -> Tensor:
    outputs = [rest[name]] if name in rest else tape.outputs.get(name, [])
    try:
        return vector_of(outputs[call], clips).float()
    except (IndexError, ValueError) as error:
        why = "its module was not called" if not outputs else str(error)
        raise UserError(f"{declared.name} gives no embedding {shown(name)}: {why}.") from error


def _weights(declared: Declared, attention: Attention, tape: Tape, rest: Mapping[str, Any], inputs: Inputs) -> list[Tensor]:
    who = f"The attention {shown(attention.name)} of {declared.name}{declared.place}"
    layers = tape.weights.get(attention.name, []) if attention.module else _returned(attention, rest, who)
    try:
        maps = [as_maps(weights.float(), len(inputs)) for weights in layers]
        maps = [_among(attention, weights, inputs) for weights in maps]
    except ValueError as error:
        raise UserError(f"{who} cannot be used: {error}.") from error
    if not maps or len({m.shape[1] for m in maps}) > 1:
        todo = "name its nn.MultiheadAttention, or the softmax itself, or say with take= where its output has them"
        why = "its layers have different numbers of heads: declare each by itself" if maps else f"no weights came: {todo}"
        raise UserError(f"{who} cannot be shown, for {why}.")
    return maps


def _returned(attention: Attention, rest: Mapping[str, Any], who: str) -> list[Tensor]:
    """The weights of each layer, from the network's return value."""
    given = rest.get(attention.name, rest.get("attentions"))
    # [B, layers, heads, Tq, Tk].
    given = given.unbind(1) if isinstance(given, Tensor) and given.ndim == 5 else given
    layers = [layer for layer in (given if isinstance(given, tuple | list) else [given]) if layer is not None]
    maps = [attention.take(layer) if attention.take else weights_in(layer) for layer in layers]
    if layers and any(weights is None for weights in maps):
        raise UserError(f"{who} cannot be used: the rows of what was returned under its name do not sum to one; if "
                        "they cover only a part of the frames, divide each row by its sum.")  # fmt: skip
    return [weights for weights in maps if weights is not None]


def _among(attention: Attention, maps: Tensor, inputs: Inputs) -> Tensor:
    """The block of weights [B, heads, q, k] from query frames to key frames, with rows renormalised to sum to one.

    Raises:
        ValueError: when the number of tokens differs from the number of frames of the concatenated modalities.
    """
    first, places = attention.skip, {}
    for modality in attention.among:
        count = inputs[modality].shape[1]
        places[modality] = slice(first, first + count)
        first += count
    if not first:
        return maps
    tokens = maps.shape[-1]
    if attention.among and tokens != first:
        counts = " and ".join(f"{inputs[m].shape[1]} of {m}" for m in attention.among)
        skipped = "; of tokens before them, as of a class token, say how many with skip="
        if attention.skip:
            skipped = f", after {attention.skip}"
        raise ValueError(f"it has {tokens} tokens, and its frames are {counts}{skipped}")
    rows = places.get(attention.query, slice(attention.skip, None)) if maps.shape[-2] == tokens else slice(None)
    frames = maps[..., rows, places.get(attention.key, slice(attention.skip, None))]
    return frames / frames.sum(-1, keepdim=True).clamp(min=torch.finfo(frames.dtype).tiny)
