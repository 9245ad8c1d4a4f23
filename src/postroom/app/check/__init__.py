"""`postroom check`: is this installation as it should be? Each part looks at one thing and says what to do."""
