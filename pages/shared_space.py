"""The Shared space page: distance of sound and picture in shared layers, for any models (goncalves2025versatile, Fig. 4)."""

from __future__ import annotations

import streamlit as st

from affectscope.app import services
from affectscope.app.common import choose, say, session
from affectscope.app.common.progress import finished
from affectscope.app.shared_space import parts as shared_space
from affectscope.app.verdict import heading
from affectscope.core.errors import UserError

model = choose.model()
try:
    if model:
        sharing, others = shared_space.able()
        top = st.container()
        if not sharing:
            with top:
                heading("Shared space", [f"clips of {services.corpus().name}"], choose.caution(model, "shared_space"))
            st.info("No model here has layers that sound and picture share: load a VAVL, UAVM or AuxFormer checkpoint.")
        else:
            chosen = shared_space.choose(sharing, model)
            with top:
                heading("Shared space", [f"clips of {services.corpus().name}"], choose.caution(chosen[0], "shared_space"))
                if sentence := services.unasked(model):
                    st.text(f"{sentence} {chosen[0]}, which has layers that sound and picture share, is shown instead.")
                elif model not in sharing:
                    st.text(f"{model} has no layers that sound and picture share: {chosen[0]}, which has, is shown instead.")
            tables = {}
            for name in chosen:
                if services.prediction_table_on_disk(name) is None and not finished(services.ask_all(name)):
                    continue
                tables[name] = shared_space.table(name, shared_space.digest(name))
            if tables:
                with st.container(horizontal=True, vertical_alignment="bottom"):
                    by, stages = shared_space.options({name: list(dict.fromkeys(t["stage"])) for name, t in tables.items()})
                st.caption(
                    "A dot is a clip, blue where the decision was right, orange where it was wrong; press one to find it below. "
                    "Grey: the sound of one clip against the picture of another."
                )
                top_of_axis = max(float(t[["distance", "mismatched"]].max().max()) for t in tables.values()) * 1.05
                for column, (name, table) in zip(st.columns(len(tables)), tables.items(), strict=True):
                    with column:
                        shared_space.show(name, table, by, stages[name], top_of_axis)
                of = session.option("shared.of")
                last = of if of in tables else next(iter(tables))
                shared_space.ends(last, tables[last], stages[last])
except UserError as error:
    say.error(error)
