"""What a server offers in its answer to EHLO, as a value. RFC 5321 4.1.1.1; no I/O."""

from dataclasses import dataclass

from postroom.mail.smtp_reply import SmtpReply


@dataclass(frozen=True, slots=True)
class Abilities:
    """Service extensions of one server. Without any it spoke HELO only."""

    pipelining: bool = False
    """RFC 2920."""
    eight_bit: bool = False
    """8BITMIME, RFC 6152."""
    smtputf8: bool = False
    """RFC 6531."""
    dsn: bool = False
    """RFC 3461."""
    starttls: bool = False
    """RFC 3207; a session under TLS does not offer it again."""
    size: int | None = None
    """SIZE of RFC 1870: None where it is not offered, 0 where no limit is told."""
    auth: frozenset[str] = frozenset()
    """Mechanisms of AUTH in upper case, RFC 4954."""

    @property
    def variant(self) -> tuple[bool, bool]:
        """What the form of a copy depends on: two servers with the same value take the same bytes."""
        return self.eight_bit, self.smtputf8


HELO_ONLY = Abilities()


def abilities_from_ehlo(reply: SmtpReply) -> Abilities:
    """Return what the answer to EHLO offers. Lines that say nothing to us are passed over."""
    words: dict[str, list[str]] = {}
    auth: set[str] = set()
    for line in reply.text.split("\n")[1:]:
        # `AUTH=LOGIN` is how servers before RFC 2554 wrote it; Exchange still does.
        keyword, *parameters = line.upper().replace("AUTH=", "AUTH ", 1).split() or [""]
        words[keyword] = parameters
        if keyword == "AUTH":
            auth.update(parameters)
    return Abilities(
        pipelining="PIPELINING" in words,
        eight_bit="8BITMIME" in words,
        smtputf8="SMTPUTF8" in words,
        dsn="DSN" in words,
        starttls="STARTTLS" in words,
        size=_size(words.get("SIZE")),
        auth=frozenset(auth),
    )


def _size(parameters: list[str] | None) -> int | None:
    if parameters is None:
        return None
    text = parameters[0] if parameters else "0"
    # Twenty digits are what RFC 1870 3 allows.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else 0
