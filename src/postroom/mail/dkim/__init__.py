"""mail/dkim."""
