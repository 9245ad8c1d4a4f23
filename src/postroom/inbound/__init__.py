"""Mail that comes in: who may send it, what it is, and what follows from it."""
