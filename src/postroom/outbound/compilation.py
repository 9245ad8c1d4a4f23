"""All that `accept` has to compute of a content: compiled, hashed and compressed.

Bytes in, values out, so that a helper process can do it while the owner takes
in the next mail (decision 0034).
"""

import hashlib
from dataclasses import dataclass

from postroom.base.packing import pack
from postroom.outbound.compile import Compiled, CompileOptions, Findings, compile_content
from postroom.outbound.links import pack_targets

BIG_BYTES = 256 * 1024
"""A content above this takes long: it is compiled on a thread aside, and never in a helper."""


@dataclass(frozen=True, slots=True)
class PackedContent:
    """A content as it is stored."""

    raw: bytes
    plan: bytes


@dataclass(frozen=True, slots=True)
class Columns:
    """A content's columns, compressed."""

    body: bytes
    links: bytes


@dataclass(frozen=True, slots=True)
class Compilation:
    """A content, ready to be stored."""

    key: bytes
    """Under which it is stored once a workspace."""
    packed: PackedContent
    findings: Findings
    columns: Columns | None = None
    """None: they are still to be compressed."""


def compilation_of(raw: bytes, options: CompileOptions) -> tuple[Compilation, Compiled]:
    """Compile a content without compressing it; return it also as copies are made of it. Any bytes are allowed."""
    compiled, findings = compile_content(raw, options)
    return Compilation(content_key(raw, options), PackedContent(compiled.raw, compiled.to_plan()), findings), compiled


def columns_of(compilation: Compilation) -> Columns:
    """Return the columns of a content that lies in its own row, compressed now where they are not yet."""
    return compilation.columns or Columns(pack(compilation.packed.raw), packed_links(compilation))


def packed_links(compilation: Compilation) -> bytes:
    """Return the link table of a content as its column holds it."""
    return pack(pack_targets(compilation.findings.links))


def content_key(raw: bytes, options: CompileOptions) -> bytes:
    """Return the key under which a content is stored once a workspace."""
    digest = hashlib.sha256(options.to_bytes())
    digest.update(raw)
    return digest.digest()[:16]
