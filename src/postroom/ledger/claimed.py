"""A claimed recipient as it travels from the queue to an attempt, also into a helper process."""

from typing import NamedTuple


class Claimed(NamedTuple):
    """A claimed recipient with what an attempt needs of its message."""

    id: int
    epoch: int
    lane_id: int
    workspace_id: int
    message_id: int
    address: str
    address_key: str
    domain: str
    provider: str
    notify: int
    original: str
    merge: str
    tries: int
    first_tried_ms: int | None
    doubt_retried: int
    delayed_told: int
