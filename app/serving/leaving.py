"""Ignores reports from a page that was just left.

A browser shows the previous page until it receives some of the next, and a player there keeps sending reports to its fragment.
Streamlit would run that fragment after the next page was drawn, as if the previous page were current: the new page would go
blank, or its buttons would do nothing.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError, Message
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as Event
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

# Bytes. Messages that identify the page contain no data, so they are small.
_LONGEST = 1 << 17


class Leaving:
    """ASGI middleware around the websocket between a page and its script."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        place = Place()

        async def heard() -> Event:
            while True:
                event = await receive()
                if not place.left(event.get("bytes") or b""):
                    return event

        async def told(event: Event) -> None:
            place.told(event.get("bytes") or b"")
            await send(event)

        await self._app(scope, heard, told)


class Place:
    """The page that a browser is on, or on its way to: the last one requested, or switched to by the server."""

    def __init__(self) -> None:
        self._now = self._told = ""

    def left(self, message: bytes) -> bool:
        """Whether a browser's message is about a fragment of a page that it has left."""
        asked = _read(BackMsg(), message)
        if asked is None or asked.WhichOneof("type") != "rerun_script":
            return False
        page = asked.rerun_script.page_script_hash
        if asked.rerun_script.fragment_id:
            return bool(page and self._now) and page != self._now
        # Empty before the browser knows the pages' names.
        self._now = page or self._now
        return False

    def told(self, message: bytes) -> None:
        """Track a server message. It may belong to an older run, so only a switch to another page counts.

        A run's first message names the main script if the browser did not name one; its navigation names the page.
        """
        forwarded = _read(ForwardMsg(), message) if len(message) < _LONGEST else None
        if forwarded is None or forwarded.WhichOneof("type") != "navigation":
            return
        page = forwarded.navigation.page_script_hash
        if page != self._told:
            self._now = self._told = page


def _read(into: Message, message: bytes) -> Message | None:
    """Parse a Streamlit message; invalid ones are left for Streamlit to reject."""
    try:
        into.ParseFromString(message)
    except DecodeError:
        return None
    return into
