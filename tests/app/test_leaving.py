"""A page that was left says nothing more about itself."""

from __future__ import annotations

import asyncio

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from affectscope.app.serving.leaving import Leaving, Place


def asks(page: str, part: str = "") -> bytes:
    message = BackMsg()
    message.rerun_script.page_script_hash, message.rerun_script.fragment_id = page, part
    return message.SerializeToString()


def begins(page: str) -> bytes:
    message = ForwardMsg()
    message.navigation.page_script_hash = page
    return message.SerializeToString()


def test_a_part_of_the_page_before_is_passed_over_as_soon_as_another_is_asked_for() -> None:
    place = Place()
    assert not place.left(asks(""))
    assert not place.left(asks("", "player"))
    place.told(begins("clip"))
    assert not place.left(asks("clip", "player"))
    assert not place.left(asks("failures"))
    assert place.left(asks("clip", "player"))
    # The last that the server had to say of the page before changes nothing.
    place.told(begins("clip"))
    assert place.left(asks("clip", "player"))
    place.told(begins("failures"))
    assert place.left(asks("clip", "player"))
    assert not place.left(asks("failures", "bar"))
    assert not place.left(asks("clip"))
    assert not place.left(asks("clip", "player"))


def test_so_it_is_when_the_script_turns_to_another_page() -> None:
    place = Place()
    place.left(asks("failures"))
    place.told(begins("failures"))
    place.told(begins("clip"))
    assert place.left(asks("failures", "bar"))
    assert not place.left(asks("clip", "player"))


def test_who_came_to_the_first_page_is_there() -> None:
    """A run begins before it is known which page it shows: it then names the script that has all of them."""
    place, began = Place(), ForwardMsg()
    began.new_session.page_script_hash = "main"
    place.left(asks(""))
    place.told(began.SerializeToString())
    place.told(begins("clip"))
    assert not place.left(asks("clip", "player"))


def test_what_is_no_message_is_handed_on() -> None:
    place = Place()
    place.told(b"\xff\xff")
    assert not place.left(b"\xff\xff")
    assert not place.left(b"")


def test_the_server_hears_all_but_that() -> None:
    came = [asks("clip"), asks("failures"), asks("clip", "player"), asks("failures", "bar")]
    heard, sent = [], []

    async def app(scope, receive, send) -> None:
        for _ in range(3):
            heard.append((await receive())["bytes"])
        await send({"type": "websocket.send", "bytes": begins("failures")})

    async def receive() -> dict:
        return {"type": "websocket.receive", "bytes": came.pop(0)}

    async def send(event: dict) -> None:
        sent.append(event["bytes"])

    asyncio.run(Leaving(app)({"type": "websocket"}, receive, send))
    assert heard == [asks("clip"), asks("failures"), asks("failures", "bar")]
    assert sent == [begins("failures")]
