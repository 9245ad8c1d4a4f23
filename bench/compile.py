"""What compiling a content and rendering a copy cost: `python -m bench.compile`.

CPU milliseconds, the best of many short windows, so that other load on the
machine shows least. The reference is turbohtml parsing 51 kB of HTML, taken
in the same way: figures of two runs compare by their ratio to it.
"""

import binascii
import time
from collections.abc import Callable
from functools import partial

import turbohtml

from postroom.base.tokens import TokenKeys
from postroom.outbound.compile import CompileOptions, compile_content, from_plan
from postroom.outbound.render import MessageValues, RecipientValues, render
from postroom.outbound.segments import Segments, Variant
from postroom.outbound.submission import Track

_OPTIONS = CompileOptions("https://go.example.com", Track.OPENS | Track.CLICKS)
_KEYS = TokenKeys({1: b"k" * 32})
_MESSAGE = MessageValues(1, "rp.example.com", (b"Received: by mx.example.com id msg_1; date\r\n",))
_RECIPIENT = RecipientValues(123_456_789)


def main() -> None:
    """Print a line for each step and size."""
    reference = _cpu_ms(lambda: turbohtml.parse('<p>x <a href="http://x/y">z</a></p>\n' * 1_457, source_locations=True))
    print(f"reference: parse 51 kB of HTML {reference:.3f} ms")
    for name, raw in (("4 kB, 8 links", _mail(8, 240, 1_100)), ("60 kB, 40 links", _mail(40, 1_250, 8_000))):
        compiled, findings = compile_content(raw, _OPTIONS)
        plan = compiled.to_plan()
        steps: dict[str, Callable[[], object]] = {
            "compile": partial(compile_content, raw, _OPTIONS),
            "from_plan and segments": partial(_segments, raw, plan),
            "render": partial(render, compiled, _MESSAGE, _RECIPIENT, _KEYS, Variant.EIGHT_BIT),
        }
        print(f"{name}: {len(raw)} octets, {len(findings.links)} links, plan of {len(plan)} octets")
        for step, function in steps.items():
            cost = _cpu_ms(function)
            print(f"  {step:24} {cost:.3f} ms  ({cost / reference:.3f} of the reference)")


def _segments(raw: bytes, plan: bytes) -> Segments:
    return from_plan(raw, plan).segments(Variant.EIGHT_BIT)


def _mail(links: int, words: int, text: int) -> bytes:
    """Return a notification: multipart/alternative with text and quoted-printable HTML."""
    row = '<tr><td style="padding:8px">caf\u00e9 {} <a href="https://shop.example.com/item/{}?ref=a&amp;b=c">see</a></td></tr>\r\n'
    rows = "".join(row.format("word " * (words // 5 - 20), number) for number in range(links))
    html = binascii.b2a_qp(f"<html><body>\r\n<table>\r\n{rows}</table>\r\n</body></html>\r\n".encode())
    return b"\r\n".join(
        [
            b"Received: from app.example.com\r\n\tby mx.example.com; Mon, 1 Jan 2026 00:00:00 +0000",
            b"From: Shop <shop@example.com>",
            b"To: Ann <ann@example.net>",
            b"Subject: Your order",
            b"Date: Mon, 1 Jan 2026 00:00:00 +0000",
            b"Message-ID: <1@example.com>",
            b"MIME-Version: 1.0",
            b'Content-Type: multipart/alternative;\r\n boundary="=_b"\r\n',
            b"--=_b\r\nContent-Type: text/plain; charset=utf-8\r\n",
            b"Some words of a line of text that stand for a text.\r\n" * (text // 53),
            b"--=_b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n",
            html,
            b"--=_b--\r\n",
        ]
    )


def _cpu_ms(function: Callable[[], object], windows: int = 150, calls: int = 5) -> float:
    best = float("inf")
    for _ in range(windows):
        begun = time.process_time()
        for _ in range(calls):
            function()
        best = min(best, (time.process_time() - begun) / calls)
    return best * 1_000


if __name__ == "__main__":
    main()
