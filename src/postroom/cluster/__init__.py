"""Nodes that share the work: numbers, heartbeats, and who owns what."""
