"""The player alone over a made-up clip; query parameters choose the case."""

from dataclasses import replace

import streamlit as st

from affectscope.app.player import player
from affectscope.app.serving import lending
from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root
from tests.app import fake

st.set_page_config(layout="wide")
case = st.query_params.get("case", "plain")
folder = cache_root() / "harness"
folder.mkdir(parents=True, exist_ok=True)
clip, timeline = folder / "clip.mp4", folder / f"{case}.aft"
if not clip.exists():
    fake.clip(clip)
names = ("<b>anger</b>", "**joy**", "neutral") if case == "names" else fake.CLASSES
drawn = fake.timeline(face=case != "faceless", sound=case != "silent", names=names)
if case == "blind":
    drawn = replace(drawn, heatmaps=(), blind={"av": "no heatmap can be drawn through this encoder"})
sealed.write(timeline, drawn.to_bytes())
view = player(
    lending.lend("clips", "fake", clip),
    lending.lend("timelines", case, timeline),
    key="player",
    truth=names[0],
    explained={"av": names[1], "visual": names[2]},
)
st.json(view or {})
