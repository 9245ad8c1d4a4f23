"""The HTTP API: its routes put together into one ASGI application (Litestar)."""

from typing import Any

import msgspec
from litestar import Litestar, Response, Router, get
from litestar.datastructures import State

from postroom.doors.http import domains, events, health, messages, queue, recipients, sending, stats, suppressions
from postroom.doors.http.openapi import build_document
from postroom.doors.http.operation import Operation, described
from postroom.doors.http.problems import answer_error
from postroom.doors.http.requests import authenticate
from postroom.doors.http.services import ApiRequest, Services, services_of

PREFIX = "/api/v1"

_ROUTES = (
    sending.send_message,
    sending.send_batch,
    sending.send_raw_message,
    messages.list_messages,
    messages.get_message,
    messages.recipients_of_message,
    messages.events_of_message,
    messages.cancel_message,
    recipients.list_recipients,
    recipients.get_recipient,
    recipients.events_of_recipient,
    events.follow_events,
    stats.read_stats,
    suppressions.list_suppressions,
    suppressions.add_suppression,
    suppressions.get_suppression,
    suppressions.remove_suppression,
    queue.show_queue,
    queue.list_queue,
    queue.hold,
    queue.release,
    queue.cancel,
    queue.retry,
    domains.list_domains,
    domains.add_domain,
    domains.get_domain,
    domains.check_domain,
    domains.delete_domain,
)


@get("/openapi.json", opt=described(Operation("This document", answers=None, public=True)))
async def openapi_document(request: ApiRequest) -> Response[bytes]:
    """Return the OpenAPI 3.1 document of this API."""
    document: dict[str, Any] = build_document(request.app.routes, services_of(request).version)
    return Response(msgspec.json.encode(document), media_type="application/json")


def create_api(services: Services) -> Litestar:
    """Return the application: `/api/v1/…` and `/health/…`."""
    api = Router(PREFIX, route_handlers=[*_ROUTES, openapi_document], guards=[authenticate])
    return Litestar(
        route_handlers=[api, health.live, health.ready],
        exception_handlers={Exception: answer_error},
        openapi_config=None,
        logging_config=None,
        # Bodies are measured where they are read: a large one first waits for its room.
        request_max_body_size=None,
        state=State({"services": services}),
    )
