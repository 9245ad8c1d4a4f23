"""What owner and helper process say to each other over their socketpair.

How a frame looks is `frame_pipe`'s. The owner says
Hello once, gives contents and keys before the first work that needs them, and
takes a content back when it forgets it: so both know at any time what the
helper has. Every DoWork is answered by one Ended and every Compile by one Compiled
or NotCompiled, in any order.
"""

import msgspec

from postroom.outbound.attempt import Attempted, Work
from postroom.outbound.compilation import Columns
from postroom.outbound.compile import CompileOptions, Findings
from postroom.outbound.submission import Track


class Hello(msgspec.Struct, frozen=True, tag=True):
    """How the helper is to work; its first frame."""

    hostname: str
    token_keys: list[tuple[int, bytes]]
    journal_folder: str
    journal_name: str
    boot_id: str
    connections: int
    """Most connections to one endpoint."""


class GiveTokenKeys(msgspec.Struct, frozen=True, tag=True):
    """The whole ring of token keys, which has grown since Hello."""

    keys: list[tuple[int, bytes]]


class GiveKeys(msgspec.Struct, frozen=True, tag=True):
    """The unsealed DKIM keys of a domain, as (domain, selector, PKCS#8 DER)."""

    domain_id: int
    keys: list[tuple[str, str, bytes]]


class GiveContent(msgspec.Struct, frozen=True, tag=True):
    """A content and its plan under a number that DoWork names."""

    number: int
    raw: bytes
    plan: bytes


class ForgetContent(msgspec.Struct, frozen=True, tag=True):
    """The content of this number is not needed any more."""

    number: int


class Compile(msgspec.Struct, frozen=True, tag=True):
    """Compile a content, and keep it under a number until ForgetContent."""

    number: int
    raw: bytes
    tracking_url: str
    track: int
    is_bulk: bool
    is_personal: bool
    is_report: bool

    @property
    def options(self) -> CompileOptions:
        """What the content's copies depend on beside its bytes."""
        return CompileOptions(self.tracking_url, Track(self.track), self.is_bulk, self.is_personal, self.is_report)


class DoWork(msgspec.Struct, frozen=True, tag=True):
    """Try one recipient."""

    content: int
    work: Work


class Renewed(msgspec.Struct, frozen=True, tag=True):
    """The leases of these (recipient, epoch) hold until `lease_ms`."""

    keys: list[tuple[int, int]]
    lease_ms: int


class Settled(msgspec.Struct, frozen=True, tag=True):
    """These (recipient, epoch) are settled: the journal may forget them."""

    keys: list[tuple[int, int]]


class Drain(msgspec.Struct, frozen=True, tag=True):
    """Let running tries end within `seconds`, cut the rest, then end."""

    seconds: float


class Ended(msgspec.Struct, frozen=True, tag=True):
    """How a try ended."""

    recipient_id: int
    attempted: Attempted


class Compiled(msgspec.Struct, frozen=True, tag=True):
    """A content that was compiled."""

    number: int
    key: bytes
    raw: bytes | None
    """None: as it was given."""
    plan: bytes
    findings: Findings
    columns: Columns


class NotCompiled(msgspec.Struct, frozen=True, tag=True):
    """Compiling failed on our side."""

    number: int
    why: str


Upward = Ended | Compiled | NotCompiled
Downward = Hello | GiveTokenKeys | GiveKeys | GiveContent | Compile | ForgetContent | DoWork | Renewed | Settled | Drain

READS_DOWNWARD = msgspec.msgpack.Decoder(Downward)
READS_UPWARD = msgspec.msgpack.Decoder(Upward)
