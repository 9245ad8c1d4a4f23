"""Telling the events of a workspace to the addresses that ask for them."""
