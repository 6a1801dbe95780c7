"""What a plugin says: models, features, layouts and corpora of somebody's own.

A plugin is a Python file, or a module, that is named with ``--plugin`` or in ``$AFFECTSCOPE_PLUGINS``. It registers things by
the functions below, and nothing of this project needs to be changed for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from torch import Tensor, nn

from affectscope.core.checkpoints import layouts, saved
from affectscope.core.corpora import Corpus, readers
from affectscope.core.explain import methods
from affectscope.core.features.own import arrays, feature_set
from affectscope.core.models.base import MODELS, Task
from affectscope.core.plugins.places import beside
from affectscope.core.plugins.sources import digest
from affectscope.core.wrapping.declared import Declared, Outputs, declare, spread
from affectscope.core.wrapping.making import read_state

__all__ = ["arrays", "corpus_kind", "explanation", "feature_set", "huggingface", "layout", "model", "read_weights"]

Builder = Callable[..., nn.Module]
Layout = Callable[[dict[str, Tensor]], tuple[Any, dict[str, Tensor]]]
Explain = Callable[..., Tensor]
Read = Callable[[Path, Mapping[str, str]], Corpus | pd.DataFrame]


def model(
    name: str,
    *,
    labels: Sequence[str],
    inputs: Mapping[str, str],
    heads: Mapping[str, Sequence[str]] | None = None,
    decision: Sequence[str] = (),
    task: Task = "classification",
    reference: str = "",
    outputs: Outputs = "logits",
    absence: str | Mapping[str, str] = "zeros",
    batched: bool = False,
    weights: str | Path | None = None,
    prior: float | Sequence[float] | None = None,
) -> Callable[[Builder], Declared]:
    """Make a network of any class a model: decorates the function that builds it.

    The function takes nothing; or ``path``, that of its weights; or ``state``, its weights as they were read safely
    (tensors by key), which is also what may be dropped in a browser. What it is called then has the methods ``forward``,
    ``attention``, ``embedding``, ``look_at`` and ``shared``, which say the rest.

    Args:
        name: what it is called everywhere.
        labels: classes, or attributes of a regression, in the order of its outputs.
        inputs: modality -> feature set, in the order in which the network takes them; `affectscope features list` names them.
        heads: head -> modalities that it draws on; told from the first answer if left out.
        decision: heads whose mean is the system's answer; the first if left out.
        task: ``classification`` or ``regression``.
        reference: the modality whose frames get an answer each; every other modality is given at its times.
        outputs: ``logits``, or ``probabilities`` where the network ends in a softmax.
        absence: what stands for frames that are missing in a network that knows no absence: ``zeros``, ``noise``, ``mean``,
            ``forward-fill``; or ``mask`` where it is handed one. One for all, or by modality.
        batched: whether the network takes several clips at once, padded, with their lengths; else each is asked alone.
        weights: where they lie, from the plugin's folder on; others are named as NAME=PATH.
        prior: of a regression, what it says where nothing is known, such as 4 on a scale of 1 to 7; one for all labels, or one
            for each; 0 if left out.

    Raises:
        UserError: when the name is taken, or what is said makes no sense.

    >>> import torch
    >>> import affectscope as afs
    >>> @afs.model("mean-of-llds", labels=["low", "high"], inputs={"audio": "llds"})
    ... def mean_of_llds():
    ...     torch.manual_seed(0)
    ...     return torch.nn.Linear(130, 2)
    >>> @mean_of_llds.forward
    ... def answer(net, batch):
    ...     return net(batch.audio.mean(1))
    >>> afs.load("mean-of-llds")
    Model('mean-of-llds', system='mean-of-llds', labels=['low', 'high'])
    """

    def wrap(build: Builder) -> Declared:
        declaration = Declared(
            name, build, tuple(labels), dict(inputs), {h: tuple(ms) for h, ms in (heads or {}).items()}, tuple(decision), task,
            reference, outputs, spread(absence, list(inputs)), batched,
            prior=() if prior is None else (float(prior),) * len(labels) if isinstance(prior, int | float) else tuple(prior),
        )  # fmt: skip
        if weights is not None:
            declaration.weights = Path(declaration.file).parent / Path(weights).expanduser()
        return declare(declaration, {*MODELS, *saved.shipped()})

    return wrap


def huggingface(
    name: str,
    folder: str | Path,
    *,
    modality: Literal["audio", "visual"],
    labels: Sequence[str] = (),
    features: str = "",
    reference: Literal["", "visual"] = "",
) -> Declared:
    """A classifier that transformers saved, by its folder: ``Wav2Vec2ForSequenceClassification`` and its kin (HuBERT, WavLM, …),
    which take the waveform, and image classifiers, which take faces. Files here alone; code that a folder brings is never run.

    Args:
        folder: looked for from the plugin's own folder on.
        modality: ``audio`` for waveforms, ``visual`` for faces.
        labels: names of its outputs in order; as its ``config.json`` has them if left out.
        features: another feature set than the waveform (``waveform-20ms``), or than faces of its size (``faces-224-rgb``).
        reference: ``visual`` for an answer at each frame; else the mean over the clip's frames is its answer.

    Returns:
        The declaration, with ``attention``, ``embedding`` and ``look_at`` where the model has what they need.

    Raises:
        UserError: when the folder holds none, or the name is taken.
    """
    from affectscope.core.wrapping.huggingface import declared

    file = sys._getframe(1).f_code.co_filename
    declaration = declared(name, beside(folder, file), modality, labels, features, reference)
    declaration.source = file
    return declare(declaration, {*MODELS, *saved.shipped()})


def layout(name: str, *, marks: Sequence[str], own: str = "") -> Callable[[Layout], Layout]:
    """Read somebody's checkpoints as one of this project's systems: decorates ``fn(state) -> (config, state)``.

    ``config`` is of a system (``AuxFormerConfig``, …), whole, with its labels; the state has that system's keys.

    Args:
        marks: how keys begin, all of which every file of the layout has; this is how it is recognised.
        own: a pattern that each key of the layout begins with; what else a file holds is left out. All is taken if left out.

    Raises:
        UserError: when the name is another's.
    """

    def register(convert: Layout) -> Layout:
        layouts.add(name, marks, own, convert)
        return convert

    return register


def corpus_kind(
    name: str,
    *,
    recognises: Callable[[Path], bool] = lambda path: False,
    options: Mapping[str, Sequence[str]] | None = None,
) -> Callable[[Read], Read]:
    """A kind of corpus of somebody's own: decorates ``fn(path, options) -> table``.

    The table is a DataFrame with a row a clip, indexed by clip id, with the columns ``path`` (under the folder), ``label``,
    ``speaker`` and whatever else there is to know, such as ``split``; or a ``Corpus``, where there is more to say.

    Args:
        recognises: whether a folder looks like it, from names alone; else it is named with `--kind`.
        options: name -> what may be chosen, the first by default.

    Raises:
        UserError: when the name is one of ours.
    """

    def register(read: Read) -> Read:
        def opened(path: Path, chosen: Mapping[str, str]) -> Corpus:
            table = read(path, chosen)
            return table if isinstance(table, Corpus) else readers.of_table(path, table)

        readers.add(name, readers.Reader(recognises, opened, {k: tuple(v) for k, v in (options or {}).items()}))
        return read

    return register


def explanation(
    name: str, *, title: str = "", source: str = "", modality: Literal["visual", "audio"] = "visual", reads: str = ""
) -> Callable[[Explain], Explain]:
    """A way to explain of somebody's own, beside LayerCAM and the others: decorates ``fn(road) -> maps``.

    For ``visual`` the road is a ``core.explain.road.VisualRoad`` and the maps are [S, P, h, w], for each score and face, 0 and
    above; for ``audio`` a ``core.explain.sound.SoundRoad`` and [S, T, D], for each score, frame and column, below 0 where it
    speaks against; or [S, T, 1]. One name may have both.

    Args:
        title: what menus call it.
        source: what it does, and whose it is, for its tooltip.
        reads: what the road must have: of faces ``pixels`` (the usual), ``layer``, ``layers`` or ``tokens``; of sound ``values``
            (the usual), ``layer``, ``attention`` or ``rollout``.

    Raises:
        UserError: when the name is one of ours, or modality or ``reads`` is none of these.
    """

    def register(draw: Explain) -> Explain:
        methods.add(name, title or name, source, modality, reads, draw, digest(draw.__code__.co_filename))
        return draw

    return register


def read_weights(path: str | Path, strip: str = "") -> dict[str, Tensor]:
    """The weights out of a file of any common kind, by key; nothing is unpickled.

    Args:
        strip: what stands before every key of the network, such as ``net.`` of a Lightning module; other keys are left out.

    Returns:
        What ``load_state_dict`` takes, without what DataParallel and torch.compile put before every key.

    Raises:
        UserError: when the file is missing or damaged, or would need to run code.

    >>> import affectscope as afs
    >>> import torch, tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "net.pt"
    >>> torch.save({"epoch": 3, "state_dict": {"module.bias": torch.zeros(2)}}, file)
    >>> afs.read_weights(file)
    {'bias': tensor([0., 0.])}
    """
    return read_state(path, strip)
