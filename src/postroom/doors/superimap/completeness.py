"""What a receiver needs to know that nothing is missing: numbered events, raw mails, audit, sweep, replay."""

import msgspec

from postroom.base.ids import show_id
from postroom.doors.superimap.answers import Answer, Refused, json, show_time
from postroom.doors.superimap.ask import Ask
from postroom.doors.superimap.parameters import wrong
from postroom.ledger.account_rows import AccountStatusRow
from postroom.net.imap.names import shown_name
from postroom.store import account_events, accounts
from postroom.store.account_audit import MailboxAudit
from postroom.store.account_events import AccountEvent
from postroom.store.database import Conn

_USUAL_PAGE, _MOST_PAGE = 100, 500
_MOST_GAPS = 1_000


async def list_events(ask: Ask) -> Answer:
    """List a user's events with a number above `after`, in order, with what became of telling each."""
    row, _ = await ask.account()
    after = ask.parameters.number("after") or 0
    limit = ask.parameters.number("limit")
    limit = _USUAL_PAGE if limit is None else limit
    if not 1 <= limit <= _MOST_PAGE:
        raise wrong(f"limit is a whole number from 1 to {_MOST_PAGE}")

    def read(conn: Conn) -> tuple[list[AccountEvent], int]:
        found = account_events.events_after(conn, row.workspace_id, row.id, after, limit + 1)
        return found, account_events.last_number(conn, row.workspace_id, row.id)

    found, last = await ask.services.database.read(read)
    page = found[:limit]
    more = len(found) > limit
    return json({"items": [_shown(event) for event in page], "next": page[-1].number if more else None, "last": last})


async def get_event_raw(ask: Ask) -> Answer:
    """Return the bytes of the mail that an event tells of, exactly as its server gave them."""
    row, _ = await ask.account()
    number = ask.number()
    raw = await ask.services.database.read(lambda conn: account_events.raw_of(conn, row.workspace_id, row.id, number))
    if raw is None:
        raise Refused(
            404, f"The bytes of event {number} are not kept: it tells of no mail, or of one too large or old."
        )
    return Answer(200, raw, "message/rfc822", (("content-disposition", f'attachment; filename="event-{number}.eml"'),))


async def replay_event(ask: Ask) -> Answer:
    """Tell an event to the webhooks again, under the same number and event id."""
    row, _ = await ask.account()
    number, now_ms = ask.number(), ask.services.clock.now_ms()
    database = ask.services.database
    event = await database.read(lambda conn: account_events.event_of(conn, row.workspace_id, row.id, number))
    if event is None:
        raise Refused(404, f"Event not found for '{number}'.")
    told = await database.write(lambda tx: account_events.tell_again(tx, row.workspace_id, row.id, [number], now_ms))
    if not told:
        raise wrong(f"no webhook is told of {event.kind}: set one by PUT /api/v1/partner")
    return json({"sequence_number": number, "event_id": show_id("evt", event.event_id), "replayed": told})


async def audit_user(ask: Ask) -> Answer:
    """Account for every UID and every number of a user: what became of each, and what is missing."""
    row, connection = await ask.account()

    def read(conn: Conn) -> dict[str, object]:
        told = account_events.count_told(conn, row.workspace_id, row.id)
        given_up = account_events.given_up_after(conn, row.workspace_id, row.id, 0, _MOST_GAPS)
        view = accounts.account_view(conn, row.workspace_id, row.id)
        status = view.status if view else AccountStatusRow(row.id, row.workspace_id)
        return {
            "user_tag": row.tag,
            "imap_provider_code": connection.provider,
            "state": status.state,
            "why": status.why or None,
            "since": show_time(status.since_ms or None),
            "events": {
                "last": account_events.last_number(conn, row.workspace_id, row.id),
                "kept": told.events,
                "told": told.told,
                "given_up": told.given_up,
                "given_up_numbers": given_up,
            },
        }

    shown = await ask.services.database.read(read)
    mailboxes = await ask.services.accounts.audit(row.workspace_id, row.id, _MOST_GAPS)
    return json({**shown, "mailboxes": [_audited(one) for one in mailboxes]})


async def sweep_user(ask: Ask) -> Answer:
    """Tell of the mail that was in the mailboxes before they were watched, through the same ledger."""
    row, _ = await ask.account()
    if row.is_archived:
        raise wrong("the user is archived: restore it by PUT archived=false first")
    now_ms = ask.services.clock.now_ms()
    swept = await ask.services.database.write(lambda tx: accounts.begin_sweep(tx, row.workspace_id, row.id, now_ms))
    if swept is None:
        raise wrong("no mailbox of this user was opened yet: connect it, and sweep once it is watched")
    shown = [{"mailbox": name, "mailbox_name": shown_name(name), "before_uid": first_uid} for name, first_uid in swept]
    return json({"mailboxes": shown})


def _shown(event: AccountEvent) -> dict[str, object]:
    return {
        "sequence_number": event.number,
        "event_id": show_id("evt", event.event_id),
        "kind": event.kind,
        "at": show_time(event.at_ms),
        "told_at": show_time(event.told_ms),
        "given_up_at": show_time(event.given_up_ms),
        "waiting": event.is_waiting,
        "has_raw": event.has_content,
        "detail": msgspec.Raw(event.detail.encode()) if event.detail else None,
    }


def _audited(one: MailboxAudit) -> dict[str, object]:
    row = one.mailbox
    return {
        "mailbox": row.name,
        "mailbox_name": shown_name(row.name),
        "uid_validity": row.uid_validity,
        "first_uid": row.first_uid,
        "uid_next": row.uid_next,
        "sweep_next": row.sweep_next,
        "outcomes": {
            outcome.outcome: {"mails": outcome.mails, "first_uid": outcome.first, "last_uid": outcome.last}
            for outcome in one.outcomes
        },
        "absent": [[first, last] for first, last in one.absent],
        "checked_at": show_time(row.checked_ms or None),
        "audited_at": show_time(row.audited_ms or None),
    }
