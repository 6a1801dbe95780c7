"""Imports an untrusted checkpoint in a sandboxed process, with limits on memory and time.

The process does not unpickle anything either. But a malformed file can exhaust memory or time in a parser, which then ends that
process, not the server. If it fits its model it is saved as one of our checkpoints, and only that is read from then on.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING, Any

from affectscope.core.checkpoints.choices import NO_CHOICES, Choices, Question
from affectscope.core.errors import UserError
from affectscope.core.files import sandbox
from affectscope.core.plugins import loading

if TYPE_CHECKING:
    from affectscope.core.checkpoints.foreign import Foreign
    from affectscope.core.wrapping.making import Made

_MEMORY = 2 << 30
_COPIES = 4
_SECONDS = 6.0
_BYTES_PER_SECOND = 10e6
# A malformed file may have any number of keys; only the first are listed.
_LISTED = 200
_OWN_NETWORK = (
    "Is it a network of your own? Write a plugin that wraps it (`affectscope new-plugin my_net.py`), and name that when you "
    "start: `affectscope app --plugin my_net.py`."
)
_TOO_SLOW = "This file was not read in time, for the machine does much else: try again when it does less."
_TOO_MUCH = "This file asks for more memory or time than any checkpoint of its size: it is damaged or hostile."


@dataclass(frozen=True)
class Report:
    """The result of importing a checkpoint.

    Attributes:
        error: one sentence; empty on success, or when ``asked``.
        layout: the public layout that was used; empty for our own.
        unknown: True where the layout was not recognised; the user may choose one and retry.
        missing, unexpected, misshapen: the first keys of each kind, with ``counts`` of all; see ``fit.Mismatch``.
        asked: True where nothing was written, because ``questions`` need answers first.
        questions: what a public layout's file leaves open.
        assumed, answered, remarks: see ``core.checkpoints.foreign.Foreign``.
    """

    error: str = ""
    layout: str = ""
    unknown: bool = False
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()
    counts: tuple[int, int, int] = (0, 0, 0)
    guess: str = ""
    asked: bool = False
    questions: tuple[Question, ...] = ()
    assumed: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def load_untrusted(
    source: Path,
    out: Path,
    layout: str = "",
    check: Callable[[], object] = lambda: None,
    seconds: float = _SECONDS,
    choices: Choices | None = NO_CHOICES,
) -> Report:
    """Read ``source`` (a file, or a folder of one layout's files), and save it to ``out`` as one of our checkpoints.

    Args:
        layout: the public layout; empty to recognise it by its keys.
        check: called a few times per second; an exception from it cancels the import.
        seconds: time limit; increased for large files.
        choices: what a public layout's file does not say; None returns the questions without writing.
    """
    files = list(source.iterdir()) if source.is_dir() else [source]
    size = sum(file.stat().st_size for file in files if file.is_file())
    seconds += size / _BYTES_PER_SECOND
    report = out.with_name(out.name + ".report.json")
    told = json.dumps(asdict(choices) if choices else None)
    try:
        arguments = [*map(os.path.abspath, (source, out, report)), layout, told]
        if not sandbox.run("affectscope.core.checkpoints.untrusted", arguments, _MEMORY + _COPIES * size, seconds, check):
            return Report(_TOO_SLOW)
        return report_of(json.loads(report.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return Report(_TOO_MUCH)
    finally:
        report.unlink(missing_ok=True)


def examine(source: Path, out: Path, layout: str = "", choices: Choices | None = NO_CHOICES) -> Report:
    """``load_untrusted`` in this process, without limits."""
    from affectscope.core.checkpoints import foreign, plugged
    from affectscope.core.checkpoints import saved as checkpoints
    from affectscope.core.checkpoints.fit import Mismatch

    try:
        if source.is_file() and checkpoints.is_ours(source):
            # Work on a copy: the original may change meanwhile.
            copyfile(source, out)
            try:
                checkpoints.load(out)
            except BaseException:
                out.unlink()
                raise
            return Report()
        if choices is None and (open_questions := foreign.ask(source, layout)).questions:
            return Report(layout=open_questions.layout, asked=True, questions=open_questions.questions)
        converted = foreign.read(source, layout, choices or NO_CHOICES)
        checkpoints.save(out, converted.model, checkpoints.Normaliser(), _card(converted))
        return Report(
            layout=converted.layout,
            questions=converted.questions,
            assumed=converted.assumed,
            answered=converted.answered,
            remarks=converted.remarks,
        )
    except foreign.UnknownLayout as error:
        taken = None if layout else plugged.recognise(source)
        return _of_plugin(taken, out) if taken else Report(_of(error, source, out), layout, unknown=True, guess=_OWN_NETWORK)
    except Mismatch as error:
        shapes = tuple(f"{key}: {_size(given)} instead of {_size(own)}" for key, given, own in error.misshapen)
        kinds = (tuple(error.missing), tuple(error.unexpected), shapes)
        listed = [kind[:_LISTED] for kind in kinds]
        counts = (len(kinds[0]), len(kinds[1]), len(kinds[2]))
        return Report(_of(error, source, out), layout, False, listed[0], listed[1], listed[2], counts, error.guess)
    except UserError as error:
        sentence = _of(error, source, out)
        return Report(sentence, layout, unknown=bool(layout), guess=_OWN_NETWORK if _names_a_class(sentence) else "")


def _of_plugin(made: Made, out: Path) -> Report:
    from affectscope.core.checkpoints import plugged
    from affectscope.core.checkpoints import saved as checkpoints

    plugin = Path(made.model.declared.file).name
    told = (f"It was read by {made.model.spec.system}, a model of the plugin {plugin}.", *made.remarks)
    card = plugged.card_of(made) | {"remarks": list(told)}
    checkpoints.save(out, made.model, checkpoints.Normaliser(), card)
    return Report(remarks=told)


def report_of(facts: dict[str, Any]) -> Report:
    """Parse a report from JSON.

    Raises:
        ValueError: when it is invalid.
    """
    try:
        asked = tuple(Question(**{**question, "options": tuple(question["options"])}) for question in facts.pop("questions"))
        told: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in facts.items()}
        return Report(**told, questions=asked)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError("this is no report") from error


def _names_a_class(sentence: str) -> bool:
    """Whether a file was refused because of a class in its pickle, see ``core.files.pickles.refusal``."""
    return "holds a whole module" in sentence or "of the class" in sentence


def _of(error: UserError, source: Path, out: Path) -> str:
    sentence = str(error)
    return source.name + sentence.removeprefix(out.name) if sentence.startswith(out.name) else sentence


def _card(converted: Foreign) -> dict[str, Any]:
    from affectscope.core.models.catalogue import count

    model = converted.model
    return {
        "system": model.spec.system,
        "variant": getattr(model.config, "variant", ""),
        "parameters": count(model),
        "task": model.spec.task,
        "labels": list(model.spec.labels),
        "layout": converted.layout,
        "assumed": list(converted.assumed),
        "answered": list(converted.answered),
        "remarks": list(converted.remarks),
    }


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "one number"


def _warm() -> None:
    """Import everything that reading needs before the limits are set, because it counts as memory, and torch writes caches."""
    import torch

    # What is read of strangers' files has no say in what is compiled beside the sources.
    import affectscope.core.checkpoints.foreign
    import affectscope.core.checkpoints.plugged
    import affectscope.core.checkpoints.saved  # noqa: F401
    from affectscope.core.checkpoints.state import fill, try_out
    from affectscope.core.models.auxformer import AuxFormer, AuxFormerConfig

    with torch.device("meta"):
        model = AuxFormer(AuxFormerConfig(audio_dim=2, visual_dim=2, width=2, heads=1, layers=1, aux_hidden=(2, 2)))
    fill(model, {k: torch.zeros(v.shape) for k, v in model.state_dict().items()}, "warm")
    try_out(model, "warm")


def _main() -> None:
    source, out, report, layout, told, memory, seconds = sys.argv[1:]
    _warm()
    # Plugins are trusted, and may need what the limits forbid; the upload is read afterwards.
    loading.load()
    answers = json.loads(told)
    choices = Choices(**{**answers, "labels": tuple(answers["labels"])}) if answers else None
    sandbox.limit(int(memory), int(seconds))
    sandbox.confine([Path(source)], [Path(out).parent])
    try:
        outcome = examine(Path(source), Path(out), layout, choices)
    except MemoryError:
        outcome = Report(_TOO_MUCH)
    except OSError as error:
        outcome = Report(f"{Path(source).name} cannot be read, or written again: {error.strerror or 'the disk refuses'}.")
    Path(report).write_text(json.dumps(asdict(outcome)), encoding="utf-8")


if __name__ == "__main__":
    _main()
