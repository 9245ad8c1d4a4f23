"""The rows that tell how often an address failed for causes that may pass.

In the form of `ledger.rows`.
"""

from typing import NamedTuple


class SoftFailureRow(NamedTuple):
    """The failures of an address on one day for a cause that may pass: days are what the policy counts."""

    workspace_id: int
    address_key: str
    """As `RecipientRow.address_key`."""
    day: int
    """Days since the epoch, UTC."""
    reason: str
    """A word of `mail.reasons.Reason`: that of the day's last failure."""
    failures: int = 1
