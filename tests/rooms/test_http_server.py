"""The HTTP listener inside our own event loop."""

import asyncio
import signal
from typing import Any

import pytest

from postroom.doors.http.server import WHOLE, serve_http

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


async def test_a_whole_response_is_what_two_messages_would_be() -> None:
    async def whole(scope: Any, receive: Any, send: Any) -> None:
        assert scope["extensions"][WHOLE](b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n", b"hello")

    async def answer(app: Any) -> list[bytes]:
        listener = await serve_http(app, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(REQUEST + b"GET / HTTP/1.0\r\n\r\n")
        raw = await reader.read()
        writer.close()
        await listener.stop(1)
        return sorted(line for line in raw.split(b"\r\n") if not line.startswith(b"date"))

    assert await answer(whole) == await answer(hello)


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
