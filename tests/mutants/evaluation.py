"""Faults in core/evaluation, and in the metrics that it counts."""

from __future__ import annotations

from tests.mutants.faults import Fault

_LEVELS = ("tests/core/evaluation/test_levels.py", "tests/core/evaluation/test_significance.py")
_MASKING = ("tests/core/evaluation/test_masking.py",)
_SWEEP = ("tests/core/evaluation/test_sweep.py",)
_METRICS = ("tests/core/evaluation/test_metrics.py", "tests/core/training/test_training.py::test_metrics_by_hand")


def _fault(name: str, file: str, text: str, planted: str, tests: tuple[str, ...]) -> Fault:
    return Fault(name, f"core/{file}", text, planted, tests)


FAULTS = (
    _fault("alpha .1", "evaluation/significance.py",
           "def matched_pairs(ours: Sequence[float], theirs: Sequence[float], alpha: float = 0.05)",
           "def matched_pairs(ours: Sequence[float], theirs: Sequence[float], alpha: float = 0.1)", _LEVELS),
    _fault("alpha .1 of two tails", "evaluation/significance.py",
           "def two_tailed(ours: Sequence[float], theirs: Sequence[float], alpha: float = 0.05)",
           "def two_tailed(ours: Sequence[float], theirs: Sequence[float], alpha: float = 0.1)", _LEVELS),
    _fault("alpha .05 of correlations", "evaluation/significance.py", "alpha: float = 0.01", "alpha: float = 0.05", _LEVELS),
    _fault("two tails for one", "evaluation/significance.py", 'alternative="greater"', 'alternative="two-sided"', _LEVELS),
    _fault("the other tail", "evaluation/significance.py", 'alternative="greater"', 'alternative="less"', _LEVELS),
    _fault("Fisher's z over n", "evaluation/significance.py", "1 / (n - 3) + 1 / (other_n - 3)", "1 / n + 1 / other_n", _LEVELS),
    _fault("Fisher's z with one tail", "evaluation/significance.py", "float(2 * stats.norm.sf(abs(z)))", "float(stats.norm.sf(abs(z)))", _LEVELS),
    _fault("deviations of the population", "evaluation/significance.py", "a.std(ddof=1), len(a)", "a.std(), len(a)", _LEVELS),
    _fault("the level itself is significant", "evaluation/significance.py", "return self.p < self.alpha", "return self.p <= self.alpha", _LEVELS),
    _fault("frames lost are rounded up", "evaluation/masking.py", "(missing.rate * frames.double()).round().long()",
           "(missing.rate * frames.double()).ceil().long()", _MASKING),
    _fault("the tail is the beginning", "evaluation/masking.py",
           "lost = torch.arange(present.shape[1], device=present.device) >= (frames - count)[:, None]",
           "lost = torch.arange(present.shape[1], device=present.device) < count[:, None]", _MASKING),
    _fault("every seed loses the same frames", "evaluation/masking.py", "default_rng([seed, name, draw, clip])", "default_rng([name, draw, clip])", _MASKING),
    _fault("every draw loses the same frames", "evaluation/masking.py", "default_rng([seed, name, draw, clip])", "default_rng([seed, name, clip])", _MASKING),
    _fault("every clip loses the same frames", "evaluation/masking.py", "default_rng([seed, name, draw, clip])", "default_rng([seed, name, draw])", _MASKING),
    _fault("bursts are single frames", "evaluation/masking.py", 'missing.length if missing.pattern == "burst" else 1', "1", _MASKING),
    _fault("absent frames are lost first", "evaluation/masking.py", "rank = (present.cumsum(1) - 1).clamp(min=0)",
           "rank = torch.arange(present.shape[1]).expand_as(lost)", _MASKING),
    _fault("the values of lost frames stay", "evaluation/masking.py", ", values[name], 0)", ", values[name], values[name])", _MASKING),
    _fault("draws are mixed up", "evaluation/draws.py", "torch.arange(draws).repeat_interleave(size)", "torch.arange(draws).repeat(size)", _SWEEP),
    _fault("all parts begin with clip 0", "evaluation/draws.py", "first = sum(sizes)", "first = 0", _SWEEP),
    _fault("all clips are one draw's", "evaluation/draws.py", "return [answers.of(draw == i) for i in range(draws)]",
           "return [answers.of(draw == 0) for i in range(draws)]", _SWEEP),
    _fault("one curve for all modalities", "evaluation/sweep.py",
           "replace(point, modality=names[0]) if point.rate == 0 else point for point in points",
           "replace(point, modality=names[0]) for point in points", _SWEEP),
    _fault("macro-F1 is recall", "metrics/metrics.py", "lambda a: float(a.f1.mean())", "lambda a: float(a.recall.mean())", _METRICS),
    _fault("UAR counts classes without clips", "metrics/metrics.py", "a.recall[a.occurs].mean()", "a.recall.mean()", _METRICS),
    _fault("a confusion on its side", "metrics/metrics.py", "confusion_matrix(true, predicted,", "confusion_matrix(predicted, true,", _METRICS),
)  # fmt: skip
