"""Rules that say why mail was not delivered. `judge.reason_of` holds what was told against them."""

from postroom.mail.bounce_rules.judge import UNDETERMINED, Judged, reason_of, reason_of_reply

__all__ = ["UNDETERMINED", "Judged", "reason_of", "reason_of_reply"]
