"""The forms of the log, apart from it: who reads the settings need not have loaded what writes logs."""

from typing import Literal

FORMS = ("auto", "json", "console")

Form = Literal["auto", "json", "console"]
