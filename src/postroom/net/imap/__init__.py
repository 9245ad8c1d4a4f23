"""net/imap."""
