"""Save models, load them safely, and import the layouts of public repositories.

A checkpoint is one ``.safetensors`` file: the model's tensors, the statistics that its inputs are normalised with, and, in the
header, the system, its config and its card as JSON. Nothing is ever unpickled: ``.pt`` and ``.pth`` files are read with
``weights_only=True``, and a file that needs more than that is refused.
"""

from __future__ import annotations

import dataclasses
import json
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from core.errors import UserError
from core.features.store import content_hash, write_atomically
from core.layouts import LAYOUTS
from core.models import catalogue  # noqa: F401  (registers the systems)
from core.models.base import MODELS, AVModel, ModelSpec

FORMAT = "affectscope-1"
SHIPPED = Path(__file__).parent.parent / "checkpoints"


@dataclass(frozen=True)
class Normaliser:
    """Means and standard deviations [D] by modality, over the present frames of the training set."""

    mean: Mapping[str, Tensor] = field(default_factory=dict)
    std: Mapping[str, Tensor] = field(default_factory=dict)

    def __call__(self, modality: str, values: Tensor) -> Tensor:
        """z-normalise [..., D] and cut at 20 standard deviations; a modality without statistics stays as it is."""
        if modality not in self.mean:
            return values
        z = (values - self.mean[modality].to(values)) / self.std[modality].to(values)
        # One absurd feature would otherwise become an infinite answer.
        return z.clamp(-20, 20)


@dataclass(frozen=True)
class Checkpoint:
    """A model that is ready to run.

    Attributes:
        card: what training wrote down: data, seed, commit, metrics by head, ``synthetic_training``.
        digest: hash of the file as it was when it was read.
    """

    model: AVModel
    normaliser: Normaliser
    card: Mapping[str, Any]
    path: Path | None = None
    digest: str = ""

    @property
    def spec(self) -> ModelSpec:
        return self.model.spec


def shipped() -> dict[str, Path]:
    """The checkpoints of the repository, by name."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.safetensors"))}


def save(path: Path, model: AVModel, normaliser: Normaliser, card: Mapping[str, Any]) -> None:
    tensors = {f"model.{k}": v.contiguous().cpu() for k, v in model.state_dict().items()}
    for kind in ("mean", "std"):
        tensors |= {f"normaliser.{kind}.{k}": v.contiguous().cpu() for k, v in getattr(normaliser, kind).items()}
    config = dataclasses.asdict(model.config)  # type: ignore[call-overload]
    header = {"system": model.spec.system, "config": config, "card": dict(card)}
    metadata = {"format": FORMAT, "affectscope": json.dumps(header)}
    write_atomically(path, lambda temporary: safetensors.torch.save_file(tensors, temporary, metadata))


def load(path: Path) -> Checkpoint:
    """Read one of our own checkpoints.

    Raises:
        UserError: when the file is missing, damaged, of another kind, does not fit its model, or holds NaN.
    """
    tensors, metadata = read_tensors(path)
    name = Path(path).name
    if metadata.get("format") != FORMAT:
        raise UserError(f"{name} is no AffectScope checkpoint: name the public layout it has, one of {', '.join(LAYOUTS)}.")
    try:
        header = json.loads(metadata["affectscope"])
        card = dict(header["card"])
        model = _build(header["system"], header["config"], len(tensors))
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, ArithmeticError, AssertionError) as error:
        raise UserError(f"{name} describes its model in a way that cannot be read: export it again.") from error
    state = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    _fill(model, state, name)
    stats = {
        kind: {k.split(".", 2)[2]: v for k, v in tensors.items() if k.startswith(f"normaliser.{kind}.")}
        for kind in ("mean", "std")
    }
    for modality, dim in model.spec.inputs.items():
        known = [stats[kind][modality] for kind in stats if modality in stats[kind]]
        if any(stat.shape != (dim,) or not torch.isfinite(stat).all() for stat in known) or (known and not (known[-1] > 0).all()):
            raise UserError(f"{name} carries statistics that do not fit its model's {modality} input: export it again.")
    # Loaded to be asked, not trained: explanations need no gradient of any weight.
    model.requires_grad_(False)
    return Checkpoint(model, Normaliser(stats["mean"], stats["std"]), card, Path(path), content_hash(Path(path)))


def load_foreign(path: Path, layout: str) -> AVModel:
    """Read a public repository's state_dict, or a folder of them: the model, in evaluation mode, that gives the same numbers.

    Args:
        layout: which repository's, one of ``core.layouts.LAYOUTS``.

    Raises:
        UserError: as ``load``.
    """
    convert = LAYOUTS[layout]
    path = Path(path)
    if path.is_dir():
        # A folder holds one state_dict a module; their keys are told apart by the file's name.
        tensors = {f"{file.name}:{k}": v for file in sorted(path.glob("*.pt")) for k, v in read_tensors(file)[0].items()}
    else:
        tensors, _ = read_tensors(path)
    state = {k.removeprefix("module."): v for k, v in tensors.items()}
    try:
        with torch.device("meta"):
            model, state = convert(state)
    except (KeyError, IndexError, RuntimeError, ValueError, ArithmeticError) as error:
        raise UserError(f"{path.name} does not hold the tensors of {layout}: {error} is missing or misshapen.") from error
    _fill(model, state, path.name)
    return model


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a ``.safetensors``, ``.pt`` or ``.pth`` file, and the header's metadata.

    Raises:
        UserError: when the file is not there, damaged, or would need to run code.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no checkpoint {path}: check the path.")
    try:
        if path.suffix == ".safetensors":
            with safetensors.safe_open(path, framework="pt") as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
                return tensors, file.metadata() or {}
        if path.suffix not in (".pt", ".pth"):
            raise UserError(f"{path.name} is no checkpoint: choose a .safetensors, .pt or .pth file.")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path.name} holds pickled code, which is never run: save the model's state_dict and load that."
        ) from error
    except (safetensors.SafetensorError, RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{path.name} is damaged or no checkpoint: copy it again from where it was made.") from error
    content = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise UserError(f"{path.name} holds no state_dict: save `model.state_dict()` and load that.")
    return {str(k): v for k, v in content.items()}, {}


def _build(system: str, config: Mapping[str, Any], most_layers: int) -> AVModel:
    """A model without memory behind its tensors: what a header asks for is compared before it is allocated."""
    kind = MODELS[system]
    fields = {f.name for f in dataclasses.fields(kind.config_type)}
    values = {k: _as_tuple(v) for k, v in config.items() if k in fields}
    _check_choices(kind.config_type, values)
    if any(isinstance(v, int) and v > most_layers for k, v in values.items() if "layers" in k):
        raise UserError("The checkpoint's header asks for more layers than its file holds: it is damaged or hostile.")
    with torch.device("meta"):
        return kind(kind.config_type(**values))  # type: ignore[call-arg]


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(v) for v in value) if isinstance(value, list) else value


def _check_choices(config_type: type, values: Mapping[str, Any]) -> None:
    for name, hint in get_type_hints(config_type).items():
        choices = get_args(hint) if get_origin(hint) is Literal else ()
        if name in values and choices and values[name] not in choices:
            raise ValueError(f"{name} is none of {choices}")


def _fill(model: AVModel, state: Mapping[str, Tensor], name: str) -> None:
    """Put a state into a model, or say in one sentence what does not fit."""
    own = model.state_dict()
    # Neither moves an answer: public files lack the one and sometimes the other.
    optional = {k for k in own if k == "prior" or k.endswith("num_batches_tracked")}
    missing = sorted(own.keys() - state.keys() - optional)
    unexpected = sorted(state.keys() - own.keys())
    misshapen = sorted(k for k in own.keys() & state.keys() if own[k].shape != state[k].shape)
    faults = [
        f"{kind} {', '.join(keys[:3])}{f' and {len(keys) - 3} more' if len(keys) > 3 else ''}"
        for kind, keys in (("lacks", missing), ("does not know", unexpected), ("has another shape for", misshapen))
        if keys
    ]
    if faults:
        raise UserError(f"{name} does not fit {model.spec.system}: it {'; it '.join(faults)}.")
    broken = [k for k, v in state.items() if v.is_floating_point() and not torch.isfinite(v).all()]
    if broken:
        raise UserError(f"{name} holds NaN or infinite weights (first in {broken[0]}): its training diverged.")
    rest = {k: torch.zeros_like(own[k], device="cpu") for k in optional - state.keys()}
    if "prior" in rest:
        rest["prior"] = rest["prior"].log_softmax(0)
    # Contiguous copies: a tensor in a file may be one number stretched over gigabytes, or share another's memory.
    model.load_state_dict({k: v.contiguous().clone() for k, v in {**state, **rest}.items()}, assign=True)
    model.requires_grad_(True).eval()
