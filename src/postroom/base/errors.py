"""Exceptions by what the caller can do about them."""


class PostroomError(Exception):
    """Anything that Postroom raises on purpose. `str()` is safe to show to an operator."""


class TryLater(PostroomError):
    """The work could not be done now and has left no trace: repeat it later.

    Doors answer 4xx (SMTP) or 503 with Retry-After (HTTP).
    """


class WrongInput(PostroomError):
    """The input must be corrected. `field` names it; `str()` says the remedy."""

    def __init__(self, field: str, message: str, *, code: str = "invalid") -> None:
        super().__init__(message)
        self.field = field
        self.code = code


class SettingsError(PostroomError):
    """A setting is wrong: the start stops, naming the key and what was expected."""
