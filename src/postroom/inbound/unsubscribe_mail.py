"""Unsubscribing by mail: to the `u-` address of a copy, or by a reply that asks for no more (RFC 2369 3.2).

It does what the page does. An operator sees each, and can take it back.
"""

from postroom.base.ids import show_id
from postroom.events import unsubscribing
from postroom.events.unsubscribing import By
from postroom.inbound.work import Step
from postroom.ledger.inbound_rows import Destination
from postroom.mail.address import address_key
from postroom.store.database import Tx


def unsubscribed(tx: Tx, step: Step) -> None:
    """Stop bulk mail to the recipient.

    Where nothing that we signed names the recipient, only the recipient's own address may ask.
    """
    row = step.work.row
    if not step.about.is_proved and address_key(row.author) != step.about.recipient.address_key:
        return
    by = By.MAIL if row.destination == Destination.UNSUBSCRIBE.value else By.REPLY
    evidence = {"inbound_id": show_id("inb", row.id), "author": row.author, "evidence": step.work.verdict.evidence}
    unsubscribing.unsubscribe(tx, step.about.recipient.id, by, evidence, step.work.now_ms, next(step.ids))
