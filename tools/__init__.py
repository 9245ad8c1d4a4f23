"""What the Makefile calls: environment, locks, peers, pages."""
