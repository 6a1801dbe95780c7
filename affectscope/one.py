"""Models: load one, analyse a clip, analyse it with frames missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from affectscope.analysis import Analysis
from affectscope.core.analyzer import Analyzer
from affectscope.core.checkpoints import plugged, saved
from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.errors import UserError
from affectscope.core.features.taken import check_told
from affectscope.core.inference.asked import ask
from affectscope.core.library import named
from affectscope.core.perturbation import WHOLE, Imputation, Pattern, Perturbation
from affectscope.core.streams import Batch

__all__ = ["Model", "load", "mask", "models"]


class Model:
    """A loaded checkpoint, ready for inference.

    >>> import affectscope as afs
    >>> model = afs.load("auxformer")
    >>> model.labels
    ('anger', 'disgust', 'fear', 'happiness', 'neutral', 'sadness')
    >>> model.heads
    ('av', 'audio', 'visual')
    """

    def __init__(self, checkpoint: Checkpoint, name: str) -> None:
        self.name = name
        self.checkpoint = checkpoint

    @property
    def system(self) -> str:
        """The architecture's name, as listed by `affectscope models`."""
        return self.checkpoint.spec.system

    @property
    def task(self) -> str:
        """``classification`` or ``regression``."""
        return self.checkpoint.spec.task

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes or, for regression, the attributes, in the order of the outputs."""
        return tuple(self.checkpoint.spec.labels)

    @property
    def heads(self) -> tuple[str, ...]:
        """The names of the prediction heads, without "decision"."""
        return tuple(self.checkpoint.spec.heads)

    @property
    def embeddings(self) -> tuple[str, ...]:
        """The names of the embeddings that ``embed`` can return."""
        return tuple(self.checkpoint.spec.embeddings)

    @cached_property
    def analyzer(self) -> Analyzer:
        """The internal analyzer, which extracts the model's features from clips.

        Raises:
            UserError: if a feature set of the model cannot be extracted.
        """
        return Analyzer(self.checkpoint)

    def analyze(
        self,
        clip: str | Path,
        explain: str | None = None,
        track: int | None = None,
        method: str | None = None,
        face: int | None = None,
        sound: str | None = None,
    ) -> Analysis:
        """Run the model on one clip, and compute its explanations.

        Args:
            clip: a file with video, audio or both, of at most one minute.
            explain: the class to explain in the heatmaps; by default, each head's own prediction.
            track: the number of the audio track, from 1; by default, the first that is not silent.
            method: the method for heatmaps, as listed by ``affectscope analyze --help``; by default, what suits the model.
            face: the number of the face to analyse, from 1, if there are several; by default, the largest and longest visible.
            sound: the explanation method for audio, as listed under ``--sound-method``; by default, Integrated Gradients.

        Raises:
            UserError: if the file cannot be read, if there is no such class, method or face, or if the model does not provide
                what the method needs.

        >>> import affectscope as afs
        >>> clip = afs.corpus("demo").media("held_s2026_00000")
        >>> afs.load("auxformer").analyze(clip, explain="fear").heatmaps["visual"].explains
        'fear'
        """
        self._check(explain)
        analysis = self.analyzer.analyze(Path(clip), explain=explain, track=track, explanation=method, face=face, sound=sound)
        return Analysis(self, Path(clip), analysis, track, explain or "", method)

    def _check(self, explain: str | None) -> None:
        if explain is not None and explain not in self.labels:
            raise UserError(f"{self.name} knows no class {explain!r}: choose one of {', '.join(self.labels)}.")

    def __call__(self, batch: Batch) -> pd.DataFrame:
        """The decision for each clip of a batch: one row per clip, one column per class (probabilities) or attribute (values)."""
        spec = self.checkpoint.spec
        logits = ask(self.checkpoint, batch).logits["decision"]
        return pd.DataFrame(spec.readable(logits).numpy(), columns=list(spec.labels))

    def __repr__(self) -> str:
        return f"Model({self.name!r}, system={self.system!r}, labels={list(self.labels)})"


def models() -> list[str]:
    """The names of the included checkpoints, the default first, and of the models of plugins.

    >>> import affectscope as afs
    >>> afs.models()[0]
    'auxformer'
    """
    return [*saved.shipped(), *plugged.known()]


def load(name: str | Path, layout: str = "", features: Mapping[str, str] | None = None) -> Model:
    """Load a model.

    Args:
        name: the name of an included checkpoint or of a plugin's model (``NAME=PATH`` for other weights), or a file's path.
        layout: the layout of a public repository's checkpoint (`affectscope convert --help` lists them); by default, detected
            from its tensors. Settings that such a file does not contain are those of the repository; use `affectscope convert`
            to set them. Nothing is ever unpickled.
        features: modality -> feature set that the model uses, such as "vgg-face" or one of your own; by default, as stated on
            the model's card or in its paper.

    Raises:
        UserError: if there is no such file, or it cannot be used.

    >>> import affectscope as afs
    >>> afs.load("auxformer")
    Model('auxformer', system='auxformer', labels=['anger', 'disgust', 'fear', 'happiness', 'neutral', 'sadness'])
    """
    path = Path(name).expanduser()
    if not layout and (not path.exists() or saved.is_ours(path)):
        called = str(name).partition("=")[0] if "=" in str(name) else path.stem
        return Model(_taking(named.checkpoint(str(name)), features), called)
    from affectscope.core.checkpoints import foreign
    from affectscope.core.models.inputs import Normaliser

    converted = foreign.read(path, layout)
    return Model(_taking(Checkpoint(converted.model, Normaliser(), {"layout": converted.layout}, path), features), path.stem)


def _taking(checkpoint: Checkpoint, features: Mapping[str, str] | None) -> Checkpoint:
    check_told(checkpoint.spec, features or {})
    return replace(checkpoint, features=dict(features or {}))


def mask(
    model: Model,
    clip: str | Path,
    *,
    audio: float = 1.0,
    visual: float = 1.0,
    pattern: Pattern = "random",
    imputation: Imputation = "absent",
    seed: int = 0,
    explain: str | None = None,
    sound: float | None = None,
    picture: float | None = None,
) -> Analysis:
    """Analyse a clip with a part of its frames missing.

    Args:
        model: the model to run.
        clip: a file with video, audio or both, of at most one minute.
        audio: the share of the present audio frames to keep, 0 to 1.
        visual: the share of the present visual frames to keep, 0 to 1.
        pattern: which frames to remove: "random", "burst" (in runs), "tail" (from the end) or "attended" (highest attention
            first).
        imputation: what replaces them: "absent" (nothing; the model is told that they are missing), "zeros", "mean" (of the
            training set), "noise", or "forward-fill" (the last frame that was kept).
        seed: the random seed.
        explain: the class to explain in the heatmaps; by default, each head's own prediction.
        sound, picture: synonyms of ``audio`` and ``visual``.

    Raises:
        UserError: if the clip cannot be read, a value is out of range, or a share is given by both synonyms.

    >>> import affectscope as afs
    >>> clip = afs.corpus("demo").media("held_s2026_00000")
    >>> silent = afs.mask(afs.load("auxformer"), clip, audio=0.0)
    >>> silent.evidence["audio"]
    False
    """
    model._check(explain)
    keep = {"audio": _kept("audio", audio, "sound", sound), "visual": _kept("visual", visual, "picture", picture)}
    change = Perturbation(keep, pattern=pattern, imputation=imputation, seed=seed)
    return Analysis(model, Path(clip), model.analyzer.analyze(Path(clip), explain=explain, perturbation=change))


def _kept(name: str, share: float, word: str, other: float | None) -> int:
    if other is not None and share != 1:
        raise UserError(f"{word} is another word for {name}: give one of the two.")
    share = share if other is None else other
    if not 0 <= share <= 1:
        raise UserError(f"The share of {name} frames that stays is 0 to 1, not {share}.")
    return round(WHOLE * share)
