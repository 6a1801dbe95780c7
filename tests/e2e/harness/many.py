"""The Embeddings page over made-up vectors of as many clips as the model's name says: 7,442, 100,000."""

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from affectscope.app import services
from affectscope.app.common import choose, session
from affectscope.app.common.save import save
from affectscope.core.cache.store import cache_root
from affectscope.core.corpora import Corpus
from affectscope.core.inference.table import PredictionTable
from tests.app import fake

SIZES = {"made-up 7442": 7442, "made-up 100000": 100_000}
PAGE = Path(__file__).parents[3] / "pages" / "embeddings.py"


# The script runs anew for every page: what a plain cache keeps would be gone each time, as it is not in the app.
@st.cache_resource(show_spinner=False)
def prediction_table(model: str) -> PredictionTable:
    count, random = SIZES[model], np.random.default_rng(0)
    label, predicted = random.integers(0, 6, count), random.integers(0, 6, count)
    right = random.random(count) < 0.7
    predicted[right] = label[right]
    names = np.array(["anger", "disgust", "fear", "happiness", "neutral", "sadness"])
    table = pd.DataFrame(
        {
            "label": names[label],
            "speaker": [f"s{speaker:02d}" for speaker in random.integers(0, 91, count)],
            "intensity": np.array(["low", "medium", "high"])[random.integers(0, 3, count)],
            "predicted": names[predicted],
            "correct": predicted == label,
            "confidence": random.uniform(0.2, 1, count),
        },
        index=pd.Index([f"clip{i:06d}" for i in range(count)], name="clip"),
    )
    centres = random.normal(size=(6, 64))
    vectors = {
        name: (3 * centres[predicted] + 2 * random.normal(size=(count, 64))).astype(np.float32)
        for name in ("fused", *(f"layer {i}" for i in range(30 if count < 10_000 else 1)))
    }
    there = {"audio": random.random(count) < 0.95, "visual": np.ones(count, bool)}
    answers = {"decision": np.full((count, 6), 1 / 6, np.float32)}
    return PredictionTable("made-up", "classification", tuple(names), ("av",), (), table, answers, vectors, there)


@st.cache_resource(show_spinner=False)
def corpus(model: str) -> Corpus:
    folder = cache_root() / "harness"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "clip.mp4").exists():
        fake.clip(folder / "clip.mp4")
    table = prediction_table(model).table[["label", "speaker", "intensity"]]
    return Corpus("made-up", folder, table.assign(path="clip.mp4"), prediction_table(model).outputs, True)


st.set_page_config(layout="wide")
prediction_table("made-up 7442")
services.models = lambda: dict.fromkeys(SIZES, Path("none"))
services.prediction_table = prediction_table
services.corpus = lambda: corpus(choose.model())
services.clips_of = lambda model: corpus(model).table
services.corpus_of = lambda model: corpus(model)
services.card = lambda model: {}
choose.sidebar = lambda model: None


def blank() -> None:
    """Nothing of the map, but what the app's first page has loaded into the browser by the time that a person leaves it."""
    st.write("Nothing here.")
    st.selectbox("Model", SIZES)
    st.segmented_control("One", ["of", "two"])
    st.dataframe(pd.DataFrame({"label": ["anger"]}))
    save("Table", bytes, "table.csv", key="blank")


page = st.navigation([st.Page(blank, title="Blank", default=True), st.Page(PAGE)], position="top")
session.enter(page.url_path)
# As every page of the app does: what the address says goes along to the next page.
session.current()
page.run()
