"""net/smtp."""
