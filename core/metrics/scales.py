"""Whether a model's values and a corpus's are on one scale: 1 to 7 here and -1 to 1 there, an error is of neither."""

from __future__ import annotations

import numpy as np

# So many clips that all lie outside are no chance.
_FEW = 5


def apart(name: str, predicted: np.ndarray, true: np.ndarray) -> str:
    """One sentence where no answer lies within what the corpus gives, or empty.

    Args:
        name: the attribute's.
        predicted, true: [N]; NaN where nothing is known.
    """
    both = np.isfinite(predicted) & np.isfinite(true)
    said, known = predicted[both], true[both]
    if len(said) < _FEW or known.min() == known.max():
        return ""
    if ((known.min() <= said) & (said <= known.max())).any():
        return ""
    given, answered = (f"{values.min():.3g} to {values.max():.3g}" for values in (known, said))
    return (
        f"Of {name} the corpus gives {given}, and the model says {answered}: "
        "where these are two scales, errors mean nothing; bring the model's to the corpus's in forward(), or the corpus's to its."
    )
