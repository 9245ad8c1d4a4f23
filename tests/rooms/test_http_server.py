"""The HTTP listener inside our own event loop."""

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import pytest

from postroom.doors.http.server import Asked, serve_http

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def test_a_free_port_is_taken_and_given_back() -> None:
    listener = await serve_http(hello, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(REQUEST)
    assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")

    await listener.stop(1)

    assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", listener.port)


async def test_a_port_that_is_in_use_is_told_to_the_caller() -> None:
    listener = await serve_http(hello, "127.0.0.1", 0)
    with pytest.raises(OSError, match=str(listener.port)):
        await serve_http(hello, "127.0.0.1", listener.port)
    await listener.stop(1)


async def test_the_signals_of_the_process_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    listener = await serve_http(hello, "127.0.0.1", 0)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    await listener.stop(1)


async def test_an_open_request_ends_before_the_stop_does() -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        entered.set()
        await leave.wait()
        await hello(scope, receive, send)

    listener = await serve_http(slow, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(REQUEST)
    await entered.wait()
    stopping = asyncio.create_task(listener.stop(10))
    await asyncio.sleep(0)
    leave.set()

    assert (await reader.read()).endswith(b"hello")
    await stopping
    writer.close()


async def test_a_forwarded_address_is_not_believed_by_the_server() -> None:
    seen: list[Any] = []

    async def look(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["client"][0])
        await hello(scope, receive, send)

    listener = await serve_http(look, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n")
    await reader.readuntil(b"hello")
    writer.close()
    await listener.stop(1)
    assert seen == ["127.0.0.1"]


async def talk(port: int, *pieces: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    raw = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    return raw


def hello_at_once(asked: Asked, answer: Callable[[bytes, bytes], None]) -> bool:
    if not asked.path.startswith("/now"):
        return False
    text = asked.path[4:].encode() or b"hello"
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n" % len(text)
    asyncio.get_running_loop().call_soon(answer, head, text)
    return True


async def test_an_answer_at_once_is_what_the_application_would_send() -> None:
    async def answered(path: bytes) -> list[bytes]:
        listener = await serve_http(hello, "127.0.0.1", 0, at_once=hello_at_once)
        raw = await talk(
            listener.port, REQUEST.replace(b"GET /", b"GET " + path), b"GET " + path + b" HTTP/1.0\r\n\r\n"
        )
        await listener.stop(1)
        return sorted(line for line in raw.split(b"\r\n") if not line.startswith(b"date"))

    assert await answered(b"/now") == await answered(b"/")


async def test_answers_come_in_the_order_of_the_requests() -> None:
    leave = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await leave.wait()
        await hello(scope, receive, send)

    listener = await serve_http(slow, "127.0.0.1", 0, at_once=hello_at_once)
    asyncio.get_running_loop().call_later(0.3, leave.set)
    asked = [b"/now1", b"/now2", b"/", b"/now3", b"/now4"]
    requests = b"".join(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n" for path in asked)

    raw = await talk(listener.port, requests, b"GET /now5 HTTP/1.1\r\nConnection: close\r\n\r\n")

    # What stands behind one that is not answered yet goes to the application.
    assert [piece.rpartition(b"\n")[2] for piece in raw.split(b"HTTP/1.1 200 OK")[1:]] == [
        b"1", b"hello", b"hello", b"hello", b"hello", b"hello"
    ]  # fmt: skip
    await listener.stop(1)


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /now HTTP/1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
        b"POST /now HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        b"GET /now?x=1 HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET /no%77 HTTP/1.1\r\nConnection: close\r\n\r\n",
    ],
)
async def test_what_has_a_body_or_a_query_goes_to_the_application(request_: bytes) -> None:
    listener = await serve_http(hello, "127.0.0.1", 0, at_once=lambda asked, answer: 1 / 0 > 1)

    assert (await talk(listener.port, request_)).endswith(b"hello")
    await listener.stop(1)


async def test_a_connection_that_was_answered_at_once_is_closed_when_it_idles() -> None:
    listener = await serve_http(hello, "127.0.0.1", 0, at_once=hello_at_once, keep_alive_seconds=0.1)

    assert (await talk(listener.port, b"GET /now HTTP/1.1\r\n\r\n")).endswith(b"hello")
    await listener.stop(1)


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", REQUEST + b"GET /"])
async def test_a_header_that_does_not_end_is_not_waited_for_for_ever(begun: bytes) -> None:
    listener = await serve_http(hello, "127.0.0.1", 0, header_seconds=0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(begun)

    answered = await asyncio.wait_for(reader.read(), 30)

    assert b"HTTP/1.1 408 " in answered
    assert (b"hello" in answered) == begun.startswith(REQUEST)
    writer.close()
    await listener.stop(1)


async def test_a_slow_application_and_an_idle_connection_are_not_slow_headers() -> None:
    leave = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await leave.wait()
        await hello(scope, receive, send)

    listener = await serve_http(slow, "127.0.0.1", 0, header_seconds=0.0)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(REQUEST)
    asyncio.get_running_loop().call_later(1.2, leave.set)

    assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
    writer.close()
    await listener.stop(1)


@pytest.mark.parametrize("path", [b"/caf\xc3\xa9", b"/o/\xff\xfe.png", b"/c/\x80", b"/%ff%00"])
async def test_raw_bytes_in_a_path_are_answered(path: bytes) -> None:
    listener = await serve_http(hello, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    answered = await asyncio.wait_for(reader.read(), 30)

    assert answered.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 400 "))
    writer.close()
    await listener.stop(1)
