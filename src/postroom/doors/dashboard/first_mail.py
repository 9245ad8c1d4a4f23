"""The lines that send a first mail, for pages that have nothing to show yet."""

from dataclasses import dataclass

from postroom.doors.dashboard.services import Facts


@dataclass(frozen=True, slots=True)
class FirstMail:
    """The lines that send a first mail."""

    curl: str
    swaks: str
    """Empty where this installation takes no SMTP."""


def first_mail(facts: Facts) -> FirstMail:
    """Return the lines that send a first mail, with the key and the password as shell variables."""
    curl = (
        f"curl {facts.http_url}/api/v1/messages \\\n"
        "  -H \"Authorization: Bearer $POSTROOM_KEY\" -H 'Content-Type: application/json' \\\n"
        '  -d \'{"from": "you@example.com", "to": ["ada@example.net"], "subject": "Hello",\n'
        '       "html": "<p>Look at <a href=\\"https://example.org/\\">this</a>.</p>"}\''
    )
    swaks = (
        f"swaks --server {facts.smtp} --auth PLAIN \\\n"
        '  --auth-user "$POSTROOM_USER" --auth-password "$POSTROOM_PASSWORD" \\\n'
        "  --from you@example.com --to ada@example.net --header 'Subject: Hello'"
    )
    return FirstMail(curl, swaks if facts.smtp else "")
