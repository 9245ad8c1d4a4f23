"""What an operator does in the dashboard, for the audit log."""

from postroom.access import audit
from postroom.doors.dashboard.services import PageRequest, services_of
from postroom.doors.dashboard.session import actor_of
from postroom.ledger.rows import WorkspaceRow
from postroom.store.database import Tx
from postroom.store.together import InTransaction


def noted(
    request: PageRequest, workspace: WorkspaceRow, action: str, subject: str = "", detail: str = ""
) -> InTransaction:
    """Return what puts a change into the audit log, for the transaction that makes it; words as in `audit.note`."""
    services = services_of(request)
    row_id, now, by = services.ids.next(), services.clock.now_ms(), actor_of(request)

    def note(tx: Tx) -> None:
        audit.note(tx, row_id, now, by, action, subject=subject, detail=detail, workspace_id=workspace.id)

    return note
