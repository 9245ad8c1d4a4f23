"""The dashboard: pages for people who run this installation."""
