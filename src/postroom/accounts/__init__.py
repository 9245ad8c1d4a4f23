"""Watched mailboxes: connecting them, keeping them connected, and telling of every mail that comes."""
