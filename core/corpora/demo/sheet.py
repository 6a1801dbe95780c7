"""Contact sheets of a corpus, or of full expressions: one row per person, one column per emotion."""

from pathlib import Path

import numpy as np

from affectscope.core.corpora.demo.identities import Group, people
from affectscope.core.corpora.demo.script import EMOTIONS
from affectscope.core.corpora.demo.truth import Truth
from affectscope.core.errors import UserError

_MARGIN = 28


def contact_sheet(corpus_dir: Path, out_png: Path, *, side: int = 160) -> Path:
    """Write the apex frames of the strongest clips of each speaker and emotion as one picture.

    Each picture is `side` pixels square. Missing combinations stay empty. The file may be named .png or .jpg.
    """
    import cv2
    import pandas as pd

    corpus_dir, out_png = Path(corpus_dir), Path(out_png)
    if not (corpus_dir / "labels.csv").is_file():
        raise UserError(f"{corpus_dir} holds no demo corpus: build one with `affectscope corpus build demo`.")
    table = pd.read_csv(corpus_dir / "labels.csv", keep_default_na=False)
    table["rank"] = table["intensity"].map({"high": 0, "medium": 1, "low": 2})
    speakers = sorted(table["speaker"].unique())
    sheet = _empty(side, len(speakers))
    for column, emotion in enumerate(EMOTIONS):
        for row, speaker in enumerate(speakers):
            shown = table[(table["speaker"] == speaker) & (table["visual_emotion"] == emotion)].sort_values("rank", kind="stable")
            if len(shown):
                picture = cv2.resize(_apex_frame(corpus_dir, shown.iloc[0]["clip"]), (side, side), interpolation=cv2.INTER_AREA)
                _place(sheet, picture, row, column, side)
    out_png.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(out_png), sheet[..., ::-1])
    return out_png


def _empty(side: int, rows: int) -> np.ndarray:
    import cv2

    sheet = np.full((_MARGIN + side * rows, side * len(EMOTIONS), 3), 255, np.uint8)
    for column, emotion in enumerate(EMOTIONS):
        place = (column * side + 8, _MARGIN - 9)
        cv2.putText(sheet, emotion, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (40, 40, 40), 1, cv2.LINE_AA)
    return sheet


def _place(sheet: np.ndarray, picture: np.ndarray, row: int, column: int, side: int) -> None:
    sheet[_MARGIN + row * side : _MARGIN + (row + 1) * side, column * side : (column + 1) * side] = picture


def _apex_frame(corpus_dir: Path, clip: str) -> np.ndarray:
    """The frame [H, W, 3] nearest the middle of a clip's apex without a blink."""
    import av

    truth = Truth.load(corpus_dir / "truth" / f"{clip}.npz")
    lids = truth.blendshapes[:, [name.startswith("eyeBlink") for name in truth.blendshape_names]].max(1)
    blinking = lids > np.median(lids) + 0.2
    wanted = int(np.argmin(np.abs(truth.times - (truth.apex_start + truth.apex_end) / 2) + 10 * blinking))
    with av.open(str(corpus_dir / "clips" / f"{clip}.mp4")) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index == wanted:
                return frame.to_ndarray(format="rgb24")
    raise UserError(f"{clip}.mp4 ends before its apex: build the corpus again.")


def expression_sheet(group: Group, out_png: Path, *, side: int = 128) -> Path:
    """Draw every full expression of a group's identities in even light, without a corpus, and write it as one picture."""
    import cv2

    from affectscope.core.corpora.demo.expressions import full_expression, vector
    from affectscope.core.corpora.demo.render import Scene

    cast = people(group)
    sheet = _empty(side, len(cast))
    scene = Scene(cast[0])
    for row, identity in enumerate(cast):
        scene.cast(identity)
        for column, emotion in enumerate(EMOTIONS):
            weights = vector(full_expression(emotion, row))
            picture = scene.draw(weights, (-6.0 + 12.0 * (row % 2), 0.0, 0.0), np.zeros(3, np.float32))
            _place(sheet, cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), row, column, side)
    out_png.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(out_png), sheet[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return out_png
