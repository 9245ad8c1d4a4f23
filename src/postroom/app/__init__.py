"""Wiring: the one place that builds everything and hands it in."""
