"""Checks of outputs; those of attention and gradients are in ``looking``."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import torch

from affectscope.core import devices
from affectscope.core.checking.findings import Found, NotApplicable, broken, counted, within, written
from affectscope.core.checking.questions import Subject, cut, lengthened, moved, rows
from affectscope.core.errors import UserError
from affectscope.core.models.base import ModelOutput
from affectscope.core.streams import Batch
from affectscope.core.text import shown
from affectscope.core.wrapping.asking import by_batch
from affectscope.core.wrapping.given import MEANINGS

# Relative to the largest logit. Another order of summation gives differences around 1e-6; a real dependence, 1e-2 and more.
TOLERANCE = 1e-4
REPEATED = 1e-6
# GPUs multiply with fewer bits than CPUs.
ELSEWHERE = 1e-2
_LENGTHS = (1, 2, 3, 17)
_PADDING = (1, 9, 120)
_NAMED = 3
# How often it is asked beside that where it draws random numbers.
_MORE = 40
# Clips that must not be answered alike.
_DIFFERENT = 6
_NEAR_ONE = 1e-2
_LONGEST_REASON = 300


def answers(subject: Subject) -> Found:
    """Heads, classes, embeddings and attention match the spec."""
    spec, frames = subject.spec, 20
    output = subject.ask(subject.draw([subject.alike(frames), subject.alike(12)]), attention=True)
    if wrong := misshapen(subject, output, 2):
        return broken(wrong)
    if missing := [name for name in spec.embeddings if name not in output.embeddings]:
        return broken(f"The embedding {missing[0]} is declared and not returned.")
    if flat := [name for name, value in output.embeddings.items() if value.ndim != 2 or len(value) != 2]:
        return broken(
            f"The embedding {flat[0]} is {tuple(output.embeddings[flat[0]].shape)} for 2 clips: one vector a clip is meant."
        )
    declared = {(a.name, a.query, a.key, layer, a.heads) for a in spec.attention for layer in range(a.layers)}
    returned = {(a.name, a.query, a.key, a.layer, a.weights.shape[1]) for a in output.attention}
    if odd := sorted(declared ^ returned):
        name, _, _, layer, heads = odd[0]
        side = "declared and not returned" if odd[0] in declared else "returned and not declared"
        return broken(f"The attention {name}, layer {layer} with {heads} heads, is {side}.")
    if alike := _alike(subject):
        return broken(alike)
    singular, plural = ("class", "classes") if spec.task == "classification" else ("attribute", "attributes")
    parts = [f"{counted(len(spec.heads), 'head')} of {counted(len(spec.labels), singular, plural)}"]
    parts += [counted(len(output.embeddings), "embedding")] if output.embeddings else []
    parts += [counted(len(returned), "layer") + " of attention"] if returned else []
    return Found(f"{', '.join(parts)}, as declared.")


def _alike(subject: Subject) -> str:
    """One sentence on answers that no page can make anything of, or empty: to loud clips and soft ones, all of one length."""
    drawn = subject.draw([subject.alike(20)] * _DIFFERENT)
    loud = torch.logspace(-1, 1, _DIFFERENT)[:, None, None]
    output = subject.ask(Batch({n: v * loud for n, v in drawn.values.items()}, drawn.present))
    first = _row(output, 0)
    if max(moved(first, _row(output, row)) for row in range(1, _DIFFERENT)) <= REPEATED:
        return f"Clips of {_DIFFERENT} kinds get the same answer: it hangs on nothing that it is given, or on a call before."
    for head in subject.spec.heads if subject.spec.task == "classification" and len(subject.spec.labels) > 1 else ():
        logits = output.predictions[head].cpu().double()
        if bool((logits >= 0).all() & (logits <= 1).all()):
            sums = bool(((logits.sum(-1) - 1).abs() < _NEAR_ONE).all())
            todo = (
                'of a softmax, say outputs="probabilities"' if sums else 'of sigmoids, one for each label, say task="regression"'
            )
            return f"Every answer of the head {head} lies between 0 and 1, and as a logit hardly counts: {todo}."
    return ""


def subsets(subject: Subject) -> Found:
    """Leaving a modality out, or marking it absent throughout, gives the same finite output."""
    whole, names = subject.draw([subject.alike(20), subject.alike(12)]), list(subject.spec.inputs)
    worst, tried = 0.0, 0
    for size in range(1, len(names) + 1):
        for some in combinations(names, size):
            given_to, tried = " and ".join(some), tried + 1
            given = Batch({n: whole.values[n] for n in some}, {n: whole.present[n] for n in some})
            absent = whole
            for name in set(names) - set(some):
                absent = absent.without(name)
            try:
                output, same = subject.ask(given), subject.ask(absent)
            except Exception as error:
                return broken(f"With {given_to} alone it fails: {reason(error)}")
            if wrong := misshapen(subject, output, 2) or misshapen(subject, same, 2):
                return broken(f"With {given_to} alone: {wrong}")
            if lying := _lying(subject, output, some) or _lying(subject, same, some):
                return broken(f"With {given_to} alone the head {lying} is wrong about whether it has evidence.")
            worst = max(worst, moved(output, same))
    return within(
        worst, TOLERANCE, f"Of {counted(tried, 'subset')}, what is left out and what is absent throughout differ by {{}}"
    )


def nothing(subject: Subject) -> Found:
    """A clip without frames gets the prior, and no evidence."""
    spec = subject.spec
    output = subject.ask(subject.draw([subject.alike(0), subject.alike(0)]))
    if lying := [head for head in spec.heads if bool(output.evidence[head].any())]:
        return broken(f"The head {lying[0]} says that it has evidence of a clip without any frame.")
    prior = subject.model.prior.cpu()
    away = max(float((output.predictions[head].cpu() - prior).abs().max()) for head in spec.heads)
    return within(away, TOLERANCE, "A clip without any frame gets the prior, but for {}")


def lengths(subject: Subject) -> Found:
    """Clips of one frame, of many, and of one modality much longer than the others are accepted."""
    names, longest = list(subject.spec.inputs), subject.longest()
    tried = [subject.alike(n) for n in (*_LENGTHS, longest)]
    if len(names) > 1:
        tried += [{**subject.alike(1), name: 200} for name in names] + [{**subject.alike(17), name: 0} for name in names]
    for frames in tried:
        sizes = " and ".join(counted(count, f"{name} frame") for name, count in frames.items())
        try:
            output = subject.ask(subject.draw([frames]))
        except Exception as error:
            return broken(f"A clip of {sizes} fails: {reason(error)}")
        if wrong := misshapen(subject, output, 1):
            return broken(f"A clip of {sizes}: {wrong}")
    return Found(f"Clips of {', '.join(map(str, _LENGTHS))} and {longest:,} frames, alike in all modalities and not.")


def absent(subject: Subject) -> Found:
    """An absent frame differs from a frame of zeros, and its previous content has no effect."""
    # The first and last frames are kept, because absence at the ends is tested by ``padding``.
    whole = subject.draw([subject.alike(25), subject.alike(25)])
    worst = 0.0
    for name, mask in whole.present.items():
        keep = (torch.arange(mask.shape[1]) % 2 == 0)[None].expand_as(mask)
        gone, zeros = subject.ask(whole.masked(**{name: keep})), subject.ask(_replaced(whole, name, keep, 0.0))
        counts = moved(subject.ask(whole), zeros)
        told = subject.spec.absence.get(name, "mask")
        stands = told != "mask" or moved(gone, zeros) <= REPEATED
        if counts > TOLERANCE and stands:
            what = MEANINGS[told] if told != "mask" else f"Absent {name} frames count as frames of zeros."
            return Found(f"{what} What stands there moves the answer by {written(counts)}.", counts, TOLERANCE, True)
        dirty = _replaced(whole, name, keep, 7.0)
        same = Batch.of(present={**whole.present, name: mask & keep}, **dirty.values)
        worst = max(worst, moved(gone, subject.ask(same)))
    return within(worst, TOLERANCE, "What was in the place of absent frames moves the answer by {}")


def padding(subject: Subject) -> Found:
    """Absent frames after a clip's end have no effect, alone and among clips of other lengths."""
    mixed = subject.draw([subject.alike(frames) for frames in (20, 3, 31, 9)])
    alone = cut(rows(mixed, [0]), subject.alike(20))
    before = subject.ask(alone)
    worst = max(moved(before, subject.ask(lengthened(alone, frames))) for frames in _PADDING)
    done = f"Up to {_PADDING[-1]} absent frames after the clip's end"
    if worst <= TOLERANCE and _company(subject) <= TOLERANCE:
        worst, done = max(worst, moved(subject.ask(mixed), before, 0)), f"{done}, and other clips of 3 to 31 frames,"
    return _with_mode(subject, within(worst, TOLERANCE, f"{done} move the answer by {{}}"))


def company(subject: Subject) -> Found:
    """A clip gets the same output alone and in a batch of the same length."""
    return _with_mode(subject, within(_company(subject), TOLERANCE, "Four other clips move the answer to one by {}"))


def _company(subject: Subject) -> float:
    together = subject.draw([subject.alike(20)] * 5)
    return moved(subject.ask(together), subject.ask(rows(together, [0])), 0)


def order(subject: Subject) -> Found:
    """The order of clips of one length in a batch has no effect."""
    batch, places = subject.draw([subject.alike(20)] * 5), [3, 0, 4, 2, 1]
    straight, shuffled = subject.ask(batch), subject.ask(rows(batch, places))
    worst = max(moved(straight, _row(shuffled, row), place) for row, place in enumerate(places))
    return within(worst, TOLERANCE, "Another order of five clips moves their answers by {}")


def finite(subject: Subject) -> Found:
    """Silence and black (present frames of zeros or black) give finite outputs, as features and as model input."""
    blank = subject.draw([subject.alike(20)])
    raw = {n: torch.full_like(v, _black(subject, n)) for n, v in blank.values.items()}
    still = {n: subject.checkpoint.normaliser(n, v) for n, v in raw.items()}
    frozen = {n: v[:, :1].expand_as(v) for n, v in blank.values.items()}
    for kind, values in (("zeros", still), ("zeros after normalisation", raw), ("one frame repeated", frozen)):
        output = subject.ask(Batch(values, blank.present), attention=True)
        wrong = misshapen(subject, output, 1)
        if not all(bool(torch.isfinite(a.weights).all()) for a in output.attention):
            wrong = "its attention is not a number."
        if wrong:
            return broken(f"Of {kind}, 20 frames each: {wrong}")
    return Found("Zeros, black, and one frame repeated: all answers are numbers.")


def repeat(subject: Subject) -> Found:
    """The output is repeatable, with another input in between."""
    first, other = subject.draw([subject.alike(20)]), subject.draw([subject.alike(13)], seed=2)
    before, state = subject.ask(first), torch.get_rng_state()
    again = subject.ask(first)
    # What is left to chance may come seldom.
    times = 0 if torch.equal(state, torch.get_rng_state()) else _MORE
    subject.ask(other)
    worst = max(moved(before, later) for later in (again, *(subject.ask(first) for _ in range(times + 1))))
    what = f"Asked {'three times' if not times else f'{times + 3} times, as it draws random numbers'}, with another question"
    return _with_mode(subject, within(worst, REPEATED, f"{what} between, it answers {{}} apart"))


def _with_mode(subject: Subject, finding: Found) -> Found:
    """What was found, with the parts that may be why: left in training mode, or normalising by the batch's own statistics."""
    if not finding.broken:
        return finding
    inner = [(name, part) for name, part in subject.model.named_modules() if not any(part.children())]
    learning = [name for name, part in inner if part.training]
    by_others = [name for name, part in inner if by_batch(part) and not part.training]
    detail = finding.detail
    if learning:
        detail += f" In training mode: {_some(learning)}; call eval()."
    if by_others:
        detail += f" By the batch's own statistics (track_running_stats=False) normalise: {_some(by_others)}."
    return replace(finding, detail=detail)


def _some(parts: list[str]) -> str:
    return ", ".join(parts[:_NAMED]) + (f" and {len(parts) - _NAMED} more" if len(parts) > _NAMED else "")


def elsewhere(subject: Subject) -> Found:
    """The output is the same on every GPU of this machine."""
    others = [device for device in devices.devices() if device != devices.CPU]
    if not others:
        raise NotApplicable("This machine has no GPU.")
    batch = subject.draw([subject.alike(20), subject.alike(12)])
    before, worst = subject.ask(batch), 0.0
    try:
        for device in others:
            try:
                subject.model.to(device)
                there = subject.ask(batch.to(device))
            except Exception as error:
                return broken(f"On {device} it fails: {reason(error)}")
            worst = max(worst, moved(before, there))
    finally:
        subject.model.to(devices.CPU)
    return within(worst, ELSEWHERE, f"The CPU and {', '.join(others)} are {{}} apart")


def misshapen(subject: Subject, output: ModelOutput, clips: int) -> str:
    """One sentence about a wrong output shape, or empty."""
    spec = subject.spec
    for head in spec.heads:
        if head not in output.predictions or head not in output.evidence:
            return f"the head {head} is declared and not answered."
        answer = output.predictions[head]
        if answer.ndim != (3 if spec.reference else 2) or len(answer) != clips or answer.shape[-1] != len(spec.labels):
            return f"the head {head} answers {tuple(answer.shape)} to {clips} clips and {len(spec.labels)} labels."
        if not torch.isfinite(answer).all():
            return f"the head {head} answers something that is not a number."
    return ""


def reason(error: Exception) -> str:
    """An error inside a model, on one line that ends in a full stop."""
    lines = str(error).strip().splitlines()
    told = shown(lines[0], _LONGEST_REASON).rstrip(".") if lines else ""
    # A wrapped network's error already says what happened and where.
    return f"{told}." if isinstance(error, UserError) else f"{type(error).__name__}{': ' + told if told else ''}."


def _black(subject: Subject, modality: str) -> float:
    """The input value of a black pixel; 0 for other features."""
    features = subject.features(modality)
    return features.low if features is not None and features.pixels else 0.0


def _lying(subject: Subject, output: ModelOutput, given: tuple[str, ...]) -> str:
    for head in subject.spec.heads:
        expected = bool(set(subject.spec.modalities[head]) & set(given))
        if bool((output.evidence[head].cpu() != expected).any()):
            return head
    return ""


def _replaced(batch: Batch, modality: str, keep: torch.Tensor, value: float) -> Batch:
    """One modality with the frames outside ``keep`` set to a value, all of them present."""
    held = batch.values[modality]
    return Batch({**batch.values, modality: torch.where(keep[..., None], held, torch.full_like(held, value))}, batch.present)


def _row(output: ModelOutput, row: int) -> ModelOutput:
    cut = slice(row, row + 1)
    return ModelOutput(
        {k: v[cut] for k, v in output.predictions.items()},
        {k: v[cut] for k, v in output.evidence.items()},
        {k: v[cut] for k, v in output.embeddings.items()},
    )
