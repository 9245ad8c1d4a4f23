"""The way out of a workspace's mail in words."""

from postroom.doors.dashboard.services import Services
from postroom.outbound.transport import TransportKind


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
