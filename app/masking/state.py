"""The perturbation of the clip, in the selection and its URL: o.masking.*."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import streamlit as st

from affectscope.app.common import address, reports, say, session
from affectscope.core.errors import UserError
from affectscope.core.perturbation import IMPUTATIONS, PATTERNS, WHOLE, Perturbation, Spans

_PREFIX = "masking."
_SEEN = "masking_seen"
_ECHO = "masking_echo"
_MOST_SPANS = 2000
_DEFAULTS = {
    "pattern": "random",
    "imputation": "absent",
    "seed": "0",
    "burst": "0.4",
    "keep": "",
    "spans": "",
    "head": "",
    "class": "",
}


def current(modalities: Mapping[str, Any]) -> Perturbation:
    """The perturbation in the URL."""
    return read(session.current().options, modalities)


def read(options: Mapping[str, str], modalities: Mapping[str, Any]) -> Perturbation:
    """The perturbation in a selection's options; invalid values, and modalities that the model does not take, are ignored."""
    chosen = {name: options.get(_PREFIX + name, default) for name, default in _DEFAULTS.items()}
    try:
        return Perturbation(
            keep={
                m: min(WHOLE, max(0, int(share))) for m, share in _pairs(chosen["keep"]) if m in modalities and share.isdecimal()
            },
            pattern=chosen["pattern"] if chosen["pattern"] in PATTERNS else "random",  # type: ignore[arg-type]
            imputation=chosen["imputation"] if chosen["imputation"] in IMPUTATIONS else "absent",  # type: ignore[arg-type]
            seed=min(int(chosen["seed"]), 2**31) if chosen["seed"].isdecimal() else 0,
            burst=_seconds(chosen["burst"]),
            spans={m: _read_spans(spans) for m, spans in _pairs(chosen["spans"]) if m in modalities},
        )
    except (UserError, ValueError, OverflowError):
        return Perturbation()


def shown(heads: Collection[str], labels: Collection[str]) -> dict[str, str]:
    """The head and class that the page shows; empty for the first and the predicted one."""
    asked = {name: session.option(_PREFIX + name) for name in ("head", "class")}
    known = {"head": heads, "class": labels}
    for name, value in asked.items():
        if value not in known[name] and address.told(f"o.{_PREFIX}{name}", value):
            say.warning(f"The address names a {name} that the model does not have: its first choice is shown.")
    return {name: value if value in known[name] else "" for name, value in asked.items()}


def for_browser(change: Perturbation, heads: Collection[str], labels: Collection[str]) -> dict[str, Any]:
    """The state in the board's format, with its own mark if it is what the board last reported.

    Args:
        heads, labels: the model's.
    """
    state = {
        "keep": dict(change.keep),
        "pattern": change.pattern,
        "imputation": change.imputation,
        "seed": change.seed,
        "burst": change.burst,
        "spans": {m: [list(span) for span in spans] for m, spans in change.spans.items()},
        **shown(heads, labels),
    }
    stamp, options = st.session_state.get(_ECHO, ("", None))
    return state | {"stamp": stamp if options == _own() else ""}


def keep(reported: Mapping[str, Any] | None, subject: str) -> bool:
    """Accept the user's action on the board, each report once.

    Args:
        subject: the board's current subject; a late report about another clip or model is ignored.

    Returns:
        True when it was new.
    """
    if not reported or reported.get("subject") != subject or not reports.unread(reported, _SEEN):
        return False
    before = _own()
    chosen = {
        "keep": ",".join(f"{m}:{int(share)}" for m, share in sorted(reported.get("keep", {}).items()) if int(share) < WHOLE),
        "spans": ",".join(f"{m}:{_write_spans(spans)}" for m, spans in sorted(reported.get("spans", {}).items()) if spans),
        "pattern": str(reported.get("pattern", "random")),
        "imputation": str(reported.get("imputation", "absent")),
        "seed": str(reported.get("seed", 0)),
        "burst": f"{float(reported.get('burst', 0.4)):g}",
        "head": str(reported.get("head", "")),
        "class": str(reported.get("class", "")),
    }
    if chosen["pattern"] != "drawn":
        chosen["spans"] = ""
    options = {k: v for k, v in session.current().options.items() if not k.startswith(_PREFIX) or k[len(_PREFIX) :] not in chosen}
    own = {_PREFIX + name: value for name, value in chosen.items() if value != _DEFAULTS[name]}
    session.update(options=options | own)
    st.session_state[_ECHO] = (str(reported.get("stamp")), _own())
    return before != _own()


def _own() -> dict[str, str]:
    return {k: v for k, v in session.current().options.items() if k[len(_PREFIX) :] in _DEFAULTS and k.startswith(_PREFIX)}


def _pairs(text: str) -> list[tuple[str, str]]:
    """Parse "audio:40,visual:70"."""
    return [(name, value) for name, _, value in (part.partition(":") for part in text.split(",")) if value]


def _read_spans(text: str) -> Spans:
    """Parse "500-1200.2000-2400", milliseconds, to seconds."""
    spans = []
    for part in text.split(".")[:_MOST_SPANS]:
        start, _, end = part.partition("-")
        if start.isdecimal() and end.isdecimal() and int(start) < int(end) <= 10**9:
            spans.append((int(start) / 1000, int(end) / 1000))
    return tuple(spans)


def _write_spans(spans: list[list[float]]) -> str:
    whole = [(round(1000 * float(start)), round(1000 * float(end))) for start, end in spans[:_MOST_SPANS]]
    return ".".join(f"{start}-{end}" for start, end in whole if end > start >= 0)


def _seconds(text: str) -> float:
    value = float(text)
    return min(max(value, 0.02), 10.0) if math.isfinite(value) else 0.4
