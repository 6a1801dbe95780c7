"""Imports files of public repositories as models: unwraps their weights, and reports what was dropped and assumed."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from affectscope.core.checkpoints.choices import NO_CHOICES, Choices, Question, questions, settle
from affectscope.core.checkpoints.layouts import (
    LAYOUTS,
    VAVL_FILES,
    VAVL_NEEDED,
    is_plugins,
    is_vavl_part,
    own,
    recognise,
    vavl_part,
)
from affectscope.core.checkpoints.parts import whole
from affectscope.core.checkpoints.state import check_labels, check_sizes, fill, try_out
from affectscope.core.errors import UserError
from affectscope.core.files.kinds import HEAD, fault_of
from affectscope.core.files.tensors import SUFFIXES, read_weights
from affectscope.core.models.auxformer import AuxFormer, AuxFormerConfig
from affectscope.core.models.base import MODELS, AVModel
from affectscope.core.models.mult import MulT, MulTConfig
from affectscope.core.models.sfav import SFAV, SFAVConfig
from affectscope.core.models.uavm import UAVM, UAVMConfig
from affectscope.core.models.vavl import VAVL, VAVLConfig
from affectscope.core.text import shown

_KINDS: dict[type, Callable[..., AVModel]] = {
    AuxFormerConfig: AuxFormer, MulTConfig: MulT, SFAVConfig: SFAV, UAVMConfig: UAVM, VAVLConfig: VAVL,
}  # fmt: skip
# Maximum number of keys in a message, and of files examined in a folder.
_NAMED = 6
_MOST_FILES = 50
_VAVL_STEMS = {Path(name).stem: name for name in VAVL_FILES}
# Hugging Face's names for the files of one model: stem, index, count.
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})(\.[A-Za-z]+)")
_AWAY = "as they train on many GPUs: run"
# Sharded formats of other programs, by file ending, and the tool that merges them into one file.
_SPREAD = {
    ".distcp": f"PyTorch's distributed parts of a checkpoint, {_AWAY} "
    "`python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER weights.pt`, and load that",
    "_optim_states.pt": f"DeepSpeed's parts of a checkpoint, {_AWAY} the `zero_to_fp32.py` in it, and load what that writes",
}
# What a layout's files contain besides what is used.
_NOTES = {
    "sfav": "Its face network (EfficientFace) is left out: the model takes the features that this network gives for a frame.",
}


# The file with the sound encoder in two layouts.
_WAV2VEC2 = {"vavl": "final_wav2vec", "auxformer-v2": "final_model"}


class UnknownLayout(UserError):
    """A file whose layout cannot be recognised; the user may specify it."""


@dataclass(frozen=True)
class Foreign:
    """A public repository's model.

    Attributes:
        assumed: what the file does not say, and the default used, a sentence each.
        answered: what the file does not say, and the user's answer, a sentence each.
        remarks: what was dropped and which weights were used, a sentence each.
        questions: what the file leaves open.
    """

    model: AVModel
    layout: str
    assumed: tuple[str, ...]
    answered: tuple[str, ...]
    remarks: tuple[str, ...]
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Contents:
    """The tensors of a file or a folder; for VAVL's folder, keys are ``file:key``."""

    state: Mapping[str, Tensor]
    places: tuple[str, ...] = ("",)
    left_out: tuple[str, ...] = ()


def contents(path: Path, wanted: str = "") -> Contents:
    """The tensors of a public repository's file, or of a folder of files that form one model.

    Args:
        wanted: place of the weights in the file; empty to find them.

    Raises:
        UserError: as ``read_weights``; when a folder holds no checkpoint, or several.
    """
    if not path.is_dir():
        _, number, count = shard(path.name)
        content = _of_file(path, wanted)
        if count > 1:
            raise UserError(f"{shown(path.name)} is file {number} of {count} of a model: name their folder, or drop all of them.")
        return content
    files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    parts = {_VAVL_STEMS[stem]: file for file in reversed(files) if (stem := file.name.split(".")[0]) in _VAVL_STEMS}
    if parts:
        state: dict[str, Tensor] = {}
        if missing := [name for name in VAVL_NEEDED if name not in parts]:
            raise UserError(f"{shown(path.name)} lacks {', '.join(missing)} of VAVL's files: put all of them in one folder.")
        for name in sorted(parts):
            state |= vavl_part(name, read_weights(parts[name])[0].state)
        return Contents(state, left_out=tuple(shown(file.name) for file in files if file not in parts.values()))
    return _of_folder(path, files, wanted)


def is_part(name: str) -> bool:
    """Whether a file name belongs to a model in several files."""
    return name.split(".")[0] in {*_VAVL_STEMS, "final_wav2vec", "final_head", "final_model"} or is_shard(name)


def is_shard(name: str) -> bool:
    """Whether a file name is a shard of a model."""
    return bool(_SHARD.fullmatch(name))


def shard(name: str) -> tuple[str, int, int]:
    """The stem, index and count of a shard's name; an empty stem for other names."""
    match = _SHARD.fullmatch(name)
    return (match[1] + match[4], int(match[2]), int(match[3])) if match else ("", 0, 0)


@dataclass(frozen=True)
class Draft:
    """A public repository's file before its questions are answered."""

    layout: str
    config: Any
    state: Mapping[str, Tensor]
    remarks: tuple[str, ...]
    questions: tuple[Question, ...]


def ask(path: Path, layout: str = "", wanted: str = "") -> Draft:
    """Recognise a file, and list its open questions.

    Args:
        layout: one of ``core.checkpoints.layouts.LAYOUTS``; empty to recognise it by its keys.
        wanted: place of the weights in the file; empty to find them.

    Raises:
        UnknownLayout: when its layout cannot be recognised.
        UserError: as ``contents``; when the tensors are not those of the layout.
    """
    path, name = Path(path), shown(Path(path).name)
    if layout:
        # Fail on an unknown name before reading gigabytes.
        LAYOUTS[layout]
    content = contents(path, wanted)
    chosen = layout or recognise(content.state.keys())
    if not chosen and is_vavl_part(content.state.keys()):
        raise UserError(f"{name} is one of the files of a VAVL model: name the folder that all of them lie in.")
    if not chosen:
        raise UnknownLayout(f"{name} is neither an AffectScope checkpoint nor of a known layout ({', '.join(LAYOUTS)}).")
    state, foreign_keys, copies = own(chosen, whole(content.state, name))
    try:
        config, state = LAYOUTS[chosen].convert(state)
    except UserError as error:
        raise UserError(f"{name} cannot be read as {chosen}: {error}") from error
    except Exception as error:
        other = recognise(content.state.keys()) if layout else ""
        todo = f"by its keys it is of {other}, choose that" if other not in ("", layout) else "choose another layout"
        todo = todo if layout else "it is incomplete, or of a version that differs"
        raise UserError(
            f"{name} does not hold the tensors of {chosen}: {shown(str(error))} is missing or misshapen; {todo}."
        ) from error
    if not config.labels:
        raise UserError(f"{name} has no outputs: its last layer is empty, so it predicts nothing: choose another checkpoint.")
    remarks = tuple(_remarks(content, foreign_keys, copies, chosen))
    asked = () if is_plugins(chosen) else questions(chosen, config, content.places)
    return Draft(chosen, config, state, remarks, asked)


def read(path: Path, layout: str = "", choices: Choices = NO_CHOICES) -> Foreign:
    """The model, in evaluation mode, with the same outputs as the public code.

    Args:
        layout: the repository's; empty to recognise it by its keys.
        choices: what the file does not say.

    Raises:
        UserError: as ``ask``; when a choice does not fit the file, or the model cannot run.
    """
    draft, name = ask(path, layout, choices.weights), shown(Path(path).name)
    whole: tuple[Any, tuple[str, ...], tuple[str, ...]] = (draft.config, (), ())
    config, assumed, answered = whole if is_plugins(draft.layout) else settle(draft.layout, draft.config, choices, name)
    for named in (config.labels, getattr(config, "asked", ())):
        check_labels(named, name)
    try:
        check_sizes(dataclasses.asdict(config))
    except UserError as error:
        raise UserError(f"{name} cannot be read as {draft.layout}: {error}") from error
    try:
        with torch.device("meta"):
            model = _kind(config)(config)
    except Exception as error:
        raise UserError(f"{name} cannot be read as {draft.layout}: its sizes do not match each other.") from error
    fill(model, draft.state, name)
    try_out(model, name)
    return Foreign(model, draft.layout, assumed, answered, draft.remarks, draft.questions)


def _kind(config: Any) -> Callable[..., AVModel]:
    systems = (MODELS[name] for name in MODELS if MODELS[name].config_type is type(config))
    return _KINDS.get(type(config)) or next(systems)


def _of_file(path: Path, wanted: str) -> Contents:
    weights, _ = read_weights(path, wanted, recognise)
    return Contents(weights.state, (weights.where, *weights.others), weights.beside)


def _of_folder(path: Path, files: list[Path], wanted: str) -> Contents:
    """The only file of known layout in a folder, or the files of one model; AuxFormer has wav2vec 2.0 in a second file."""
    if shards := [file for file in files if is_shard(file.name)]:
        return _of_shards(path, files, shards, wanted)
    if kind := next((kind for ending, kind in _SPREAD.items() if any(file.name.endswith(ending) for file in files)), ""):
        raise UserError(f"{shown(path.name)} holds {kind}.")
    candidates: dict[Path, Contents] = {}
    faults: list[UserError] = []
    for file in [file for file in files if _may_be_weights(file)][:_MOST_FILES]:
        try:
            read_one = _of_file(file, wanted)
        except UserError as error:
            faults.append(error)
            continue
        if recognise(read_one.state.keys()):
            candidates[file] = read_one
    name = shown(path.name)
    if len(candidates) > 1:
        listed = ", ".join(shown(file.name) for file in candidates)
        raise UserError(f"{name} holds several models: choose one of its files ({listed}).")
    if not candidates and not faults:
        _check_inside(path)
    if not candidates:
        raise faults[0] if faults else UnknownLayout(f"{name} holds no checkpoint of a known layout ({', '.join(LAYOUTS)}).")
    ((file, content),) = candidates.items()
    rest = tuple(shown(other.name) for other in files if other != file)
    return Contents(content.state, content.places, (*content.left_out, *rest))


def _check_inside(path: Path) -> None:
    """Raises:
    UserError: where a folder holds no weights of any layout itself.
    """
    name = shown(path.name)
    if (path / "saved_model.pb").exists():
        raise UserError(f"{name} holds a model of TensorFlow: choose one that PyTorch wrote.")
    if any(file.is_file() and not file.name.startswith(".") and _may_be_weights(file) for file in path.iterdir()):
        return
    inside = (file for near in ("*/*", "*/*/*") for file in sorted(path.glob(near)) if file.suffix.lower() in SUFFIXES)
    deeper = next((file for file in islice(inside, _MOST_FILES) if file.is_file() and _may_be_weights(file)), None)
    if deeper is not None:
        raise UserError(
            f"{name} itself holds no weights, but {shown(str(deeper.relative_to(path)))} in it may: choose that file."
        )
    raise UserError(f"{name} holds no file with weights: choose the file, or the folder, that does.")


def _of_shards(path: Path, files: list[Path], shards: Sequence[Path], wanted: str) -> Contents:
    """The tensors of a sharded model."""
    parts: dict[tuple[str, int], dict[int, Path]] = {}
    for file in shards:
        stem, number, count = shard(file.name)
        parts.setdefault((stem, count), {})[number] = file
    name = shown(path.name)
    if len(parts) > 1:
        raise UserError(f"{name} holds several models in parts: keep the files of only one in the folder.")
    (((_, count), numbered),) = parts.items()
    missing = next((n for n in range(1, count + 1) if n not in numbered), 0)
    if missing:
        raise UserError(f"{name} lacks file {missing} of the {count} of its model: put it beside the others.")
    state: dict[str, Tensor] = {}
    for number in sorted(numbered):
        state |= read_weights(numbered[number], wanted)[0].state
    return Contents(state, left_out=tuple(shown(file.name) for file in files if file not in numbered.values()))


def _may_be_weights(file: Path) -> bool:
    with file.open("rb") as opened:
        return not fault_of(opened.read(HEAD))


def _remarks(content: Contents, foreign_keys: list[str], copies: list[str], layout: str) -> list[str]:
    told = []
    if len(content.places) > 1:
        taken, *others = (shown(place) or "the file itself" for place in content.places)
        told.append(f"The weights under {taken} were taken; the file has others under {', '.join(others)} (--weights).")
    if copies:
        told.append(f"The file has other weights too, under {', '.join(shown(copy.rstrip('.')) for copy in copies)}.")
    network = [key for key in foreign_keys if layout == "sfav" and "visual_model." in key]
    if network:
        told.append(_NOTES["sfav"])
    if halves := sorted({str(t.dtype).removeprefix("torch.") for t in content.state.values() if _is_short(t)}):
        told.append(f"Its weights are kept in {' and '.join(halves)}, and used in float32.")
    heard = [name for name in content.left_out if layout in _WAV2VEC2 and name.startswith(_WAV2VEC2[layout])]
    if heard:
        told.append(
            f"The wav2vec 2.0 that it was trained with lies beside it, in {heard[0]}: have clips read with that "
            "(`affectscope features weights wav2vec2 PATH`)."
        )
    rest = [
        *(shown(key) for key in foreign_keys if key not in network),
        *(name for name in content.left_out if name not in heard),
    ]
    if rest:
        more = f" and {len(rest) - _NAMED} more" if len(rest) > _NAMED else ""
        told.append(f"Left out, as no part of {layout}: {', '.join(rest[:_NAMED])}{more}.")
    return told


def _is_short(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.element_size() < 4
