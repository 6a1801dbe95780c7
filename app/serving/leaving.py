"""What a page that was just left still reports is passed over.

A browser shows the page before until it has something of the next one, and a player there goes on reporting to its part of the
page, its fragment. Streamlit runs that part when the next page has been made, as if the page before were the one to be shown:
the next one goes blank, or its buttons call nothing.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError, Message
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as Event
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

# Bytes. What tells which page it is has no data in it.
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
    """Which page a browser is on, or on its way to: what was last asked for, or what the server last turned to by itself."""

    def __init__(self) -> None:
        self._now = self._told = ""

    def left(self, message: bytes) -> bool:
        """Whether a browser's message is about a part of a page that it is no longer on."""
        asked = _read(BackMsg(), message)
        if asked is None or asked.WhichOneof("type") != "rerun_script":
            return False
        page = asked.rerun_script.page_script_hash
        if asked.rerun_script.fragment_id:
            return bool(page and self._now) and page != self._now
        # Empty before the browser knows what its pages are called.
        self._now = page or self._now
        return False

    def told(self, message: bytes) -> None:
        """Take note of what the server says. A run that it tells of may be an older one: only a turn to another page counts.

        What a run begins with names the script of all pages where the browser did not name one; its navigation names the page.
        """
        forwarded = _read(ForwardMsg(), message) if len(message) < _LONGEST else None
        if forwarded is None or forwarded.WhichOneof("type") != "navigation":
            return
        page = forwarded.navigation.page_script_hash
        if page != self._told:
            self._now = self._told = page


def _read(into: Message, message: bytes) -> Message | None:
    """A message of Streamlit's; what is none is Streamlit's to refuse."""
    try:
        into.ParseFromString(message)
    except DecodeError:
        return None
    return into
