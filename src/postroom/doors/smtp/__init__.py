"""doors/smtp."""
