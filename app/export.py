"""Take it home: an annotated video, a picture of the current frame, the lanes as a table."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import streamlit as st

from app import jobs, services, session
from app.progress import finished


def popover(clip: services.Clip, result: services.Result) -> None:
    """The export menu; its content follows the player's time, heatmap and opacity."""
    menu = st.popover("Export", icon=":material/download:", on_change="rerun", key="export")
    if not menu.open:
        return
    view = session.current().view
    heatmap = str(view.get("map") or services.main_heatmap(result))
    time = max(0.0, float(view.get("time", 0.0)))
    opacity = float(view.get("opacity", 0.65))
    stem = Path(clip.title).stem
    with menu:
        st.download_button(
            f"Frame at {time:.3f} s (PNG)",
            partial(services.frame_png, clip, result, time, heatmap, opacity),
            f"{stem}-{time:.3f}s.png",
            "image/png",
            on_click="ignore",
            width="stretch",
        )
        st.download_button(
            "Lanes (CSV)", partial(services.lanes_csv, result), f"{stem}.csv", "text/csv", on_click="ignore", width="stretch"
        )
        _video(clip, result, heatmap, opacity, f"{stem}-annotated.mp4")


def _video(clip: services.Clip, result: services.Result, heatmap: str, opacity: float, name: str) -> None:
    out = services.overlay_path(result, heatmap, opacity)
    if not out.is_file():
        work = partial(services.write_overlay, clip, result, out, heatmap, opacity)
        wanted = f"export-{out.stem}"
        if jobs.find(wanted) is None and not st.button("Annotated video (MP4)", width="stretch", key="make_mp4"):
            return
        if not finished(jobs.ensure(wanted, work, "export")):
            return
    st.download_button(
        "Annotated video (MP4)", out.read_bytes, name, "video/mp4", on_click="ignore", type="primary", width="stretch"
    )
