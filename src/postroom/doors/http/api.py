"""The HTTP API: its routes put together into one ASGI application (Litestar)."""

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Litestar, Response, Router, get, route
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler

from postroom.doors.http import (
    domains,
    erase,
    events,
    health,
    inbound,
    messages,
    queue,
    recipients,
    routes,
    sending,
    stats,
    suppressions,
    webhooks,
)
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
    recipients.get_copy,
    events.follow_events,
    stats.read_stats,
    suppressions.list_suppressions,
    suppressions.add_suppression,
    suppressions.get_suppression,
    suppressions.remove_suppression,
    erase.erase_person,
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
    webhooks.list_webhooks,
    webhooks.add_webhook,
    webhooks.get_webhook,
    webhooks.change_webhook,
    webhooks.delete_webhook,
    webhooks.rotate_webhook,
    webhooks.pause_webhook,
    webhooks.resume_webhook,
    webhooks.send_test_event,
    webhooks.list_attempts,
    webhooks.get_attempt,
    webhooks.replay_webhook,
    inbound.list_inbound,
    inbound.get_inbound,
    inbound.get_inbound_raw,
    inbound.get_inbound_attachment,
    inbound.retry_inbound,
    inbound.review_inbound,
    routes.list_routes,
    routes.add_route,
    routes.test_routes,
    routes.order_routes,
    routes.get_route,
    routes.change_route,
    routes.delete_route,
    routes.rotate_route,
    routes.attempts_of_route,
)


@get("/openapi.json", opt=described(Operation("This document", answers=None, public=True)))
async def openapi_document(request: ApiRequest) -> Response[bytes]:
    """Return the OpenAPI 3.1 document of this API."""
    document: dict[str, Any] = build_document(request.app.routes, services_of(request).version)
    return Response(msgspec.json.encode(document), media_type="application/json")


def _options_of(handlers: Sequence[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """Return a handler of OPTIONS for each path: Litestar's own names the methods of one handler only."""
    allowed: dict[str, set[str]] = {}
    for handler in handlers:
        for path in handler.paths:
            allowed.setdefault(path, {"OPTIONS"}).update(handler.http_methods)
    return [_options(path, ", ".join(sorted(methods))) for path, methods in allowed.items()]


def _options(path: str, allow: str) -> HTTPRouteHandler:
    async def options(request: ApiRequest) -> Response[None]:
        return Response(None, status_code=204, headers={"Allow": allow})

    return route(path, http_method="OPTIONS", status_code=204, opt={"public": True})(options)


def create_api(services: Services) -> Litestar:
    """Return the application: `/api/v1/…` and `/health/…`."""
    handlers = [*_ROUTES, openapi_document]
    # OPTIONS first: Litestar makes one of its own for a path that it meets without.
    api = Router(PREFIX, route_handlers=[*_options_of(handlers), *handlers], guards=[authenticate])
    return Litestar(
        route_handlers=[api, health.live, health.ready],
        exception_handlers={Exception: answer_error},
        openapi_config=None,
        logging_config=None,
        # Bodies are measured where they are read: a large one first waits for its room.
        request_max_body_size=None,
        state=State({"services": services}),
    )
