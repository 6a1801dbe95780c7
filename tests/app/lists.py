"""What the sidebar's list of clips was given."""

from __future__ import annotations

import json
from typing import Any

from affectscope.app.serving import lending


def mounted(app) -> dict[str, Any]:
    """The list's data."""
    (element,) = [e for e in app.get("bidi_component") if '"heard"' in e.proto.json]
    return json.loads(element.proto.json)


def listed(app) -> dict[str, Any]:
    """The columns that its browser would fetch."""
    content = lending.content("lists", mounted(app)["url"].rpartition("/")[2])
    assert content is not None
    return json.loads(content)


def named(columns: dict[str, Any], name: str) -> list[str]:
    return [columns[name]["names"][code] for code in columns[name]["codes"]]
