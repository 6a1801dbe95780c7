"""The plugin interface: user-defined models, features, layouts and corpora.

A plugin is a Python file or module named with ``--plugin`` or in ``$AFFECTSCOPE_PLUGINS``. It registers things by the functions
below, without any change to this project.
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
) -> Callable[[Builder], Declared]:
    """Make a model of any network: decorates the function that builds it.

    The function takes nothing, or ``path`` (of the weights), or ``state`` (the weights, read safely, as tensors by key); only the
    last also works for files dropped in a browser. The decorated function has the methods ``forward``, ``attention``,
    ``embedding``, ``look_at`` and ``shared``, which declare the rest.

    Args:
        name: its name everywhere.
        labels: classes, or attributes of a regression, in the order of its outputs.
        inputs: modality -> feature set, in the order of the network's arguments; `affectscope features list` names them.
        heads: head -> modalities that it uses; default: found from the first output.
        decision: heads whose mean is the system's answer; default: the first.
        task: ``classification`` or ``regression``.
        reference: the modality whose frames get a prediction each; other modalities are resampled to its times.
        outputs: ``logits``, or ``probabilities`` if the network ends in a softmax.
        absence: how missing frames are imputed for a network without a notion of absence: ``zeros``, ``noise``, ``mean``,
            ``forward-fill``; or ``mask`` if it takes a mask. One for all, or by modality.
        batched: whether the network takes several clips at once, padded, with their lengths; otherwise each is run alone.
        weights: their path, relative to the plugin's folder; others can be given as NAME=PATH.

    Raises:
        UserError: when the name is taken, or the declaration is inconsistent.

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
    """A classifier in a folder saved by transformers.

    Either ``Wav2Vec2ForSequenceClassification`` and similar (HuBERT, WavLM, …), which take the waveform, or an image classifier,
    which takes faces. Reads local files only, and never runs code from the folder.

    Args:
        folder: relative to the plugin's folder.
        modality: ``audio`` for waveforms, ``visual`` for faces.
        labels: names of its outputs in order; default: from its ``config.json``.
        features: another feature set than the waveform (``waveform-20ms``), or than faces of its size (``faces-224-rgb``).
        reference: ``visual`` for a prediction per frame; default: one per clip, the mean over its frames.

    Returns:
        The declaration, with ``attention``, ``embedding`` and ``look_at`` where the model supports them.

    Raises:
        UserError: when the folder holds none, or the name is taken.
    """
    from affectscope.core.wrapping.huggingface import declared

    file = sys._getframe(1).f_code.co_filename
    declaration = declared(name, beside(folder, file), modality, labels, features, reference)
    declaration.source = file
    return declare(declaration, {*MODELS, *saved.shipped()})


def layout(name: str, *, marks: Sequence[str], own: str = "") -> Callable[[Layout], Layout]:
    """Load foreign checkpoints as one of this project's systems: decorates ``fn(state) -> (config, state)``.

    ``config`` is a system's complete config (``AuxFormerConfig``, …), including labels; the state has that system's keys.

    Args:
        marks: key prefixes that every file of the layout has; used to recognise it.
        own: pattern for the start of each of the layout's keys; other keys are left out. Default: all are used.

    Raises:
        UserError: when the name is taken.
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
    """Add a kind of corpus: decorates ``fn(path, options) -> table``.

    The table is a DataFrame with a row per clip, indexed by clip id, with the columns ``path`` (relative to the folder),
    ``label``, ``speaker`` and any others, such as ``split``; or return a ``Corpus`` for full control.

    Args:
        recognises: whether a folder looks like it, from names only; otherwise use `--kind`.
        options: name -> allowed values, the default first.

    Raises:
        UserError: when the name is built in.
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
    """Add an explanation method: decorates ``fn(road) -> maps``.

    For ``visual`` the road is a ``core.explain.road.VisualRoad`` and the maps are [S, P, h, w], one per score and face, >= 0. For
    ``audio`` it is a ``core.explain.sound.SoundRoad`` and the maps are [S, T, D], per score, frame and column, negative for
    evidence against; or [S, T, 1]. One name may have both.

    Args:
        title: its name in menus.
        source: citation and description, for its tooltip.
        reads: what the road must have: for faces ``pixels`` (default), ``layer``, ``layers`` or ``tokens``; for sound ``values``
            (default), ``layer``, ``attention`` or ``rollout``.

    Raises:
        UserError: when the name is built in, or the modality or ``reads`` is unknown.
    """

    def register(draw: Explain) -> Explain:
        methods.add(name, title or name, source, modality, reads, draw, digest(draw.__code__.co_filename))
        return draw

    return register


def read_weights(path: str | Path, strip: str = "") -> dict[str, Tensor]:
    """Read weights from a file of any common format, by key; nothing is unpickled.

    Args:
        strip: prefix of the network's keys, such as ``net.`` of a Lightning module; other keys are dropped.

    Returns:
        A state_dict, without the prefixes of DataParallel and torch.compile.

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
