"""The export menu."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import streamlit as st

from affectscope.app import services
from affectscope.app.common import jobs, press, session
from affectscope.app.common.progress import finished
from affectscope.app.common.save import save
from affectscope.app.export import files
from affectscope.core.cache import sealed
from affectscope.core.errors import UserError
from affectscope.core.text import markdown

_PAGE = "One HTML file that plays the clip with heatmap, lanes, answers, masking and the model's card, without a server."
_VIDEO = "The clip with heatmap, answers by head, all classes and the lanes, to be shown to others."
# Height of four buttons.
_HEIGHT = 224


def popover(
    clip: services.Clip,
    shown: services.Result,
    models: Mapping[str, services.Result],
    target: str = "",
    trust: Callable[[], Mapping[str, Sequence[Mapping[str, str]]]] = dict,
    explanation: str | None = None,
    against: str = "",
) -> None:
    """The export menu; its content follows the player's time, heatmap and opacity. It is there before the menu is opened: what it
    offers takes some milliseconds, and a round trip to a busy server seconds. The files are made when they are asked for.

    Args:
        shown: the player's content: one model's analysis, or two merged.
        models: the analyses behind it, one or two.
        target: the explained class; "" for the model's own prediction.
        trust: returns model -> measured trust in its explanations, if requested.
        explanation, against: as in ``files.Case``.
    """
    menu = st.popover("Export", icon=":material/download:", key="export")
    # The browser places a menu when it opens: one that grew as its content arrives would have no room at the window's edge.
    box = menu.container(height=_HEIGHT, border=False)
    case = files.Case(clip, shown, dict(models), {**session.current().view}, target, trust(), explanation, against)
    stem = Path(clip.title).stem
    with box:
        asked = files.masking(case)
        page = files.page_path(case, asked)
        _made("One page (HTML)", _PAGE, page, partial(files.write_page, case, asked, page), f"{stem}.html")
        _made("Annotated video (MP4)", _VIDEO, files.video_path(case), partial(files.write_video, case), f"{stem}-annotated.mp4")
        when = f"{case.time:.3f}"
        save(
            f"Picture at {when} s (PNG)",
            partial(files.picture, case),
            f"{stem}-{when}s.png",
            "image/png",
            key="export-picture",
            icon=False,
            width="stretch",
        )
        save("Lanes (CSV)", partial(files.lanes, case), f"{stem}.csv", key="export-lanes", icon=False, width="stretch")


def _made(label: str, hint: str, out: Path, work: Callable[[jobs.Progress], None], name: str) -> None:
    """A file that takes a while: the first press makes it, then it can be saved."""
    if not sealed.is_intact(out):
        wanted = f"export-{out.name}"
        if jobs.find(wanted) is None and not press.button(
            markdown(label), width="stretch", key=f"make-{out.suffix}", help=markdown(hint)
        ):
            return
        if not finished(jobs.ensure(wanted, work, "export")):
            return
    kind, key = ("video/mp4" if out.suffix == ".mp4" else "text/html"), f"export{out.suffix}"
    save(f"Save: {label}", partial(_read, out), name, kind, key=key, type="primary", icon=False, width="stretch")


def _read(out: Path) -> bytes:
    content = sealed.read(out)
    if content is None:
        raise UserError("The file was damaged just now: press the button again, and it is made again.")
    return content
