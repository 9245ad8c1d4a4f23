"""States and their moves, event kinds, outcomes and row types: frozen values, no I/O."""
