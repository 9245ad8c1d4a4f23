"""Pictures of pages as PNG files with a palette: a fifth of the size that a browser writes, the same to the eye.

The browser itself decodes its picture and finds 256 colours that stand for all;
here they become a PNG (ISO/IEC 15948) with colour type 3.
"""

import base64
import struct
import zlib
from typing import TypedDict

from playwright.sync_api import Page

_FIND_COLOURS = """async (png) => {
  const bitmap = await createImageBitmap(await (await fetch("data:image/png;base64," + png)).blob());
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, bitmap.width, bitmap.height).data.buffer);

  const counts = new Map();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) || 0) + 1);
  const parts = (colour) => [colour & 255, (colour >> 8) & 255, (colour >> 16) & 255];

  // Median cut: the box with the most pixels times the longest side is halved until there are 256.
  const box = (colours) => {
    const sides = [0, 1, 2].map((axis) => {
      let low = 255, high = 0;
      for (const [colour] of colours) {
        const value = parts(colour)[axis];
        low = Math.min(low, value); high = Math.max(high, value);
      }
      return high - low;
    });
    const axis = sides.indexOf(Math.max(...sides));
    const weight = Math.sqrt(colours.reduce((sum, [, count]) => sum + count, 0)) * sides[axis];
    return { colours, axis, weight };
  };
  const boxes = [box([...counts])];
  while (boxes.length < 256) {
    boxes.sort((one, other) => other.weight - one.weight);
    if (!boxes[0].weight) break;
    const { colours, axis } = boxes.shift();
    colours.sort(([one], [other]) => parts(one)[axis] - parts(other)[axis]);
    const middle = colours.length >> 1;
    boxes.push(box(colours.slice(0, middle)), box(colours.slice(middle)));
  }

  // A box shows its most frequent colour: plain areas keep theirs exactly.
  const index = new Map();
  const palette = boxes.map(({ colours }, number) => {
    let best = colours[0];
    for (const one of colours) { index.set(one[0], number); if (one[1] > best[1]) best = one; }
    return parts(best[0]);
  });
  const indices = new Uint8Array(pixels.length);
  for (let at = 0; at < pixels.length; at++) indices[at] = index.get(pixels[at]);
  const encoded = await new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.split(",")[1]);
    reader.readAsDataURL(new Blob([indices]));
  });
  return { width: bitmap.width, height: bitmap.height, palette: palette.flat(), indices: encoded };
}"""


class _Found(TypedDict):
    width: int
    height: int
    palette: list[int]
    indices: str


def smaller(png: bytes, page: Page) -> bytes:
    """Return the picture with 256 colours at most. `page` is an empty page that lends its browser."""
    found: _Found = page.evaluate(_FIND_COLOURS, base64.b64encode(png).decode())
    width, height = found["width"], found["height"]
    indices = base64.b64decode(found["indices"])
    rows = b"".join(b"\0" + indices[at : at + width] for at in range(0, width * height, width))
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", bytes(found["palette"])),
            _chunk(b"IDAT", zlib.compress(rows, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
