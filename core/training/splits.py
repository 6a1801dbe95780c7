"""Speaker-independent splits: random by seed, in folds, and official ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from affectscope.core.errors import UserError

SPLITS = ("train", "development", "test")

# goncalves2022robust, section 4.3: twenty trials, with the same saved seeds for every model. An experiment of N trials uses the
# first N.
SEEDS = tuple(range(20))

# Names of the parts in corpora's own tables.
_OFFICIAL = {
    "train": "train", "training": "train",
    "development": "development", "develop": "development", "dev": "development",
    "validation": "development", "valid": "development", "val": "development",
    "test": "test", "testing": "test",
    "none": "none",
}  # fmt: skip

_DRAWS, _TOLERANCE = 200, 0.025


def by_speaker(table: pd.DataFrame, seed: int, shares: tuple[float, float, float] = (0.70, 0.15, 0.15)) -> pd.Series:
    """Assign clips to parts so that no speaker is in two.

    goncalves2022robust, section 4.3; goncalves2025versatile, section IV-C; goncalves2022auxformer, section 5.1. Speakers are
    drawn at random in the given shares. Of several draws, the first is used whose shares of the clips, and of the clips of each
    label (where the column ``label`` holds classes), are almost as good as the best draw's. If all speakers have the same number
    of clips, that is the first draw.

    Returns:
        "train", "development" or "test" for each row of ``table``.

    Raises:
        UserError: with fewer than three speakers, or clips without one.
    """
    speakers = _speakers(table)
    count = speakers.nunique()
    if count < len(SPLITS):
        raise UserError(f"A speaker-independent split needs three speakers or more; the corpus has {count}.")
    held = [max(1, round(share * count)) for share in shares[1:]]
    return _drawn(table, speakers, SPLITS, [count - sum(held), *held], np.array(shares), seed)


def folds(table: pd.DataFrame, count: int = 10, seed: int = 0) -> list[pd.Series]:
    """Cross-validation by speaker (mocanu2023multimodal, section 4.1: ten folds, about 80 % training, 10 % development, 10 %
    test).

    Returns:
        For each fold "train", "development" or "test" for each row of ``table``. Every clip is in the test set of one fold, and
        in the development set of the fold before.

    Raises:
        UserError: with fewer than three folds, fewer speakers than folds, or clips without a speaker.
    """
    if count < len(SPLITS):
        raise UserError(f"Training, development and test need three folds or more, not {count}.")
    speakers = _speakers(table)
    have = speakers.nunique()
    if have < count:
        advice = f"ask for {have} or fewer" if have >= len(SPLITS) else "three are the least"
        raise UserError(f"{count} folds by speaker need as many speakers; the corpus has {have}: {advice}.")
    sizes = [have // count + (i < have % count) for i in range(count)]
    group = _drawn(table, speakers, range(count), sizes, np.full(count, 1 / count), seed)
    return [group.map(lambda g, i=i: {i: "test", (i + 1) % count: "development"}.get(g, "train")) for i in range(count)]


def official(table: pd.DataFrame, needed: Sequence[str] = SPLITS) -> pd.Series:
    """The corpus's own split, from its column ``split``; "validation" and the like are development.

    Clips that its authors excluded are "none". If no clip names a speaker, the authors' split is trusted.

    Raises:
        UserError: when there is none, a part of ``needed`` has no clip, a speaker is in two parts, or only some clips name a
            speaker.
    """
    if "split" not in table:
        raise UserError("The corpus has no split of its own (no column split): split it by speaker.")
    words = table["split"].astype(str)
    split = words.str.strip().str.lower().map(_OFFICIAL)
    if split.isna().any():
        raise UserError(f"The corpus's own split calls a part {words[split.isna()].iloc[0]!r}: write train, development or test.")
    empty = [name for name in needed if not (split == name).any()]
    if empty:
        raise UserError(f"The corpus's own split has no clip for {' or '.join(empty)}: split it by speaker.")
    if not _named(table).any():
        return split
    inside = split != "none"
    parts = split[inside].groupby(_speakers(table[inside]).to_numpy()).unique()
    crossing = parts[parts.map(len) > 1]
    if len(crossing):
        where = " and in ".join(crossing.iloc[0])
        raise UserError(f"The corpus's own split has speaker {crossing.index[0]} in {where}: split it by speaker.")
    return split


def split_speakers(table: pd.DataFrame, seed: int, way: str = "speaker") -> pd.Series:
    """The split for training and testing: by speaker, ``official``, or one of ten ``folds``.

    The fold is selected by the seed, and folds are the same for every seed (mocanu2023multimodal, 4.1). If the official split has
    no public test set (Aff-Wild2's labels are withheld), the development set is used for testing, as in published results. If
    that leaves no development set, 15 % of the training speakers are drawn for it by the seed, so that nothing is selected on
    test clips.

    Raises:
        UserError: as ``by_speaker`` and ``official`` do, or when the official split has nothing to test on.
    """
    if way == "speaker":
        return by_speaker(table, seed)
    if way == "folds":
        every = folds(table)
        return every[seed % len(every)]
    split = official(table, ("train",))
    if not (split == "test").any():
        split = split.replace("development", "test")
    if not (split == "test").any():
        raise UserError("The corpus's own split has no clip for development or test: split it by speaker.")
    if not (split == "development").any():
        training = table[split == "train"]
        speakers = _speakers(training)
        count = speakers.nunique()
        if count < 2:
            raise UserError("The corpus's own split has no development set, and one speaker to train on: split it by speaker.")
        held = max(1, round(0.15 * count))
        drawn = _drawn(training, speakers, ("train", "development"), [count - held, held], np.array([0.85, 0.15]), seed)
        split = pd.concat([split[split != "train"], drawn]).loc[table.index]
    return split


def _speakers(table: pd.DataFrame) -> pd.Series:
    if not _named(table).all():
        raise UserError("Some clips name no speaker: fill the column speaker, without which no split can keep speakers apart.")
    speakers = table["speaker"]
    return speakers if pd.api.types.is_numeric_dtype(speakers) else speakers.astype(str)


def _named(table: pd.DataFrame) -> pd.Series:
    """Whether each clip names its speaker."""
    if "speaker" not in table:
        return pd.Series(False, table.index)
    return table["speaker"].notna() & (table["speaker"].astype(str).str.strip() != "")


def _drawn(
    table: pd.DataFrame, speakers: pd.Series, parts: Sequence[object], sizes: Sequence[int], shares: np.ndarray, seed: int
) -> pd.Series:
    """Draw speakers, ``sizes`` of them for each part, so that the parts have about ``shares`` of the clips.

    A draw's misfit is the mean absolute deviation from the wanted shares, over all clips and per label. So rare labels count as
    much as common ones, and a label with a single clip goes to training.
    """
    names = np.sort(speakers.unique())
    counts = _counts(table, speakers).loc[names].to_numpy(np.float64)
    counts = counts / counts.sum(0)
    part = np.repeat(np.arange(len(parts)), sizes)
    members = np.eye(len(parts))[part]
    random = np.random.default_rng(seed)
    orders = [random.permutation(len(names)) for _ in range(_DRAWS)]
    misfits = np.array([_misfit(members.T @ counts[order], shares) for order in orders])
    # Not the best draw itself: in a small corpus every seed would find the same one.
    order = orders[int(np.argmax(misfits <= misfits.min() + _TOLERANCE))]
    of = {name: parts[int(p)] for name, p in zip(names[order], part, strict=True)}
    return speakers.map(of)


def _counts(table: pd.DataFrame, speakers: pd.Series) -> pd.DataFrame:
    """Clips per speaker: in total, and per label where labels are classes."""
    every = speakers.value_counts().rename("clips").to_frame()
    if "label" not in table or pd.api.types.is_numeric_dtype(table["label"]):
        return every
    return every.join(pd.crosstab(speakers.to_numpy(), table["label"].astype(str).to_numpy()).add_prefix("label "))


def _misfit(got: np.ndarray, shares: np.ndarray) -> float:
    """The misfit of ``got`` [parts, 1 + labels]: each part's share of all clips and of each label's; the two count the same."""
    distance = np.abs(got - shares[:, None]).mean(0)
    return float(distance[0] if len(distance) == 1 else (distance[0] + distance[1:].mean()) / 2)
