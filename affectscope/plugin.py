"""The functions for plugins: your own models, features, layouts and corpora.

A plugin is a Python file or module that you name with ``--plugin`` or in ``$AFFECTSCOPE_PLUGINS``. It registers its parts with
the functions below; this project needs no changes.
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
    """Register a network of any class as a model: decorator of the function that builds it.

    The function has no argument; or ``path``, the path of its weights; or ``state``, its safely read weights (tensors by key),
    which can then also be dropped in a browser. The decorated function becomes a ``Declared``, whose methods ``forward``,
    ``attention``, ``embedding``, ``look_at`` and ``shared`` declare the rest.

    Args:
        name: the name of the model.
        labels: the classes or, for regression, the attributes, in the order of the outputs.
        inputs: modality -> feature set, in the order of the network's arguments; `affectscope features list` lists the sets.
        heads: head -> modalities that it uses; by default, derived from the network's first output.
        decision: the heads whose mean is the system's decision; by default, the first head.
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
        UserError: if the name is taken, or the arguments are inconsistent.

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
    """Register a classifier saved by Hugging Face transformers.

    Supported are audio classifiers on the waveform, such as ``Wav2Vec2ForSequenceClassification`` (also HuBERT, WavLM, …), and
    image classifiers, which are applied to faces. Only local files are read, and code in the folder is never executed.

    Args:
        name: the name of the model.
        folder: the output of ``save_pretrained``; a relative path starts at the plugin's folder.
        modality: ``audio`` for waveforms, ``visual`` for faces.
        labels: names of the outputs, in order; by default, those of its ``config.json``.
        features: another feature set instead of the waveform (``waveform-20ms``) or of faces of its size (``faces-224-rgb``).
        reference: ``visual`` for a prediction per frame; by default, the prediction is the mean over the clip's frames.

    Returns:
        The declaration, with ``attention``, ``embedding`` and ``look_at`` if the model supports them.

    Raises:
        UserError: if the folder contains no such classifier, or the name is taken.
    """
    from affectscope.core.wrapping.huggingface import declared

    file = sys._getframe(1).f_code.co_filename
    declaration = declared(name, beside(folder, file), modality, labels, features, reference)
    declaration.source = file
    return declare(declaration, {*MODELS, *saved.shipped()})


def layout(name: str, *, marks: Sequence[str], own: str = "") -> Callable[[Layout], Layout]:
    """Register a checkpoint layout, to read other checkpoints as one of the included systems: decorator of a function
    ``fn(state) -> (config, state)``.

    ``config`` is the complete config of a system (``AuxFormerConfig``, …), with its labels; the returned state has the keys of
    that system.

    Args:
        name: the name of the layout.
        marks: prefixes of keys; a file has this layout if it has keys with all of these prefixes.
        own: a regular expression that matches the beginning of the layout's keys; other keys are ignored. By default, all keys
            are used.

    Raises:
        UserError: if the name is taken.
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
    """Register a kind of corpus: decorator of a function ``fn(path, options) -> table``.

    The table is a DataFrame with one row per clip, indexed by clip id, with the columns ``path`` (relative to the folder),
    ``label``, ``speaker`` and optional others, such as ``split``. For more control, return a ``Corpus``.

    Args:
        name: the name of the kind.
        recognises: whether a folder is of this kind, judged by file names alone; by default, users pass `--kind`.
        options: name -> allowed values, the first of which is the default.

    Raises:
        UserError: if the name is taken.
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
    """Register an explanation method: decorator of a function ``fn(road) -> maps``.

    For ``visual``, the argument is a ``core.explain.paths.VisualPath`` (the path from pixels to scores), and the maps are
    [S, P, h, w], for each score and face, at least 0. For ``audio``, the argument is a ``core.explain.sound.AudioPath``, and the
    maps are [S, T, D], for each score, frame and column, negative if the evidence opposes the class; or [S, T, 1]. One name can
    have a method for each modality.

    Args:
        name: the name of the method.
        title: its title in menus; by default, the name.
        source: what it does and its source, for the tooltip.
        modality: ``visual`` or ``audio``.
        reads: what the argument must provide: for faces, ``pixels`` (default), ``layer``, ``layers`` or ``tokens``; for audio,
            ``values`` (default), ``layer``, ``attention`` or ``rollout``.

    Raises:
        UserError: if the name is taken, or ``modality`` or ``reads`` has another value.
    """

    def register(draw: Explain) -> Explain:
        methods.add(name, title or name, source, modality, reads, draw, digest(draw.__code__.co_filename))
        return draw

    return register


def read_weights(path: str | Path, strip: str = "") -> dict[str, Tensor]:
    """Read weights from a file of any common format, without unpickling.

    Args:
        path: the file.
        strip: the prefix of the network's keys, such as ``net.`` in a Lightning module; other keys are ignored.

    Returns:
        A state_dict for ``load_state_dict``, without the key prefixes of DataParallel and torch.compile.

    Raises:
        UserError: if the file is missing or damaged, or could only be read by running code.

    >>> import affectscope as afs
    >>> import torch, tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "net.pt"
    >>> torch.save({"epoch": 3, "state_dict": {"module.bias": torch.zeros(2)}}, file)
    >>> afs.read_weights(file)
    {'bias': tensor([0., 0.])}
    """
    return read_state(path, strip)
