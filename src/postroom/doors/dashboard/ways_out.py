"""The way out of a workspace's mail in words, and the line to try that empty pages show."""

from postroom.doors.dashboard.services import Facts, Services
from postroom.outbound.transport import TransportKind


def curl_line(facts: Facts) -> str:
    """Return the line that hands in a first mail; its reader puts the key in."""
    return (
        f"curl {facts.http_url}/api/v1/messages \\\n"
        "  -H 'Authorization: Bearer API_KEY' -H 'Content-Type: application/json' \\\n"
        '  -d \'{"from": "you@example.com", "to": ["ada@example.net"], "subject": "Hello",\n'
        '       "html": "<p>Look at <a href=\\"https://example.org/\\">this</a>.</p>"}\''
    )


def is_sandbox(services: Services, workspace_id: int) -> bool:
    """Tell whether a workspace's mail stays on this machine."""
    return services.transport_of(workspace_id).kind is TransportKind.SANDBOX


def transport_words(services: Services, workspace_id: int) -> str:
    """Return the way out of a workspace's mail in words, without user and password."""
    setting = services.transport_of(workspace_id)
    match setting.kind:
        case TransportKind.SANDBOX:
            return "the sandbox"
        case TransportKind.SMARTHOST:
            return f"the smarthost {setting.host}:{setting.port}"
        case _:
            return "the MX hosts of its recipients"
