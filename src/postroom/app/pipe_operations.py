"""What `postroom receive` asks of the server: to take a mail in, in pieces where it is large."""

import asyncio
import contextlib
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from postroom.app.control import Operation
from postroom.app.inbound import make_receiver, make_recipients
from postroom.app.services import Services, open_services
from postroom.base.clock import SystemClock
from postroom.base.ids import show_id
from postroom.base.log import set_up_log
from postroom.config import Settings
from postroom.inbound.receive import Incoming, Refused, StagedRest
from postroom.inbound.recipients import Addressed
from postroom.inbound.take_in import PROTOCOL, SOURCE
from postroom.mail.smtp_reply import SmtpReply

Arguments = Mapping[str, Any]


class PipeOperations:
    """Mail from standard input."""

    def __init__(self, services: Services) -> None:
        self._uploads = services.uploads
        self._recipients = make_recipients(services)
        self._receiver = make_receiver(services)

    def by_name(self) -> dict[str, Operation]:
        """Return the operations by their names."""
        return {"receive": self.receive, "receive.begin": self.begin, "receive.add": self.add}

    async def begin(self, arguments: Arguments) -> dict[str, Any]:
        """Begin to take the blocks of a large mail."""
        return {"upload": await self._uploads.begin()}

    async def add(self, arguments: Arguments) -> None:
        """Store block `number` of a large mail, from 1 on: the first one comes with `receive`."""
        await self._uploads.add(arguments["upload"], arguments["number"], b64decode(arguments["data"]))

    async def receive(self, arguments: Arguments) -> dict[str, Any]:
        """Take a mail in; the answer is that of SMTP. Raises TryLater.

        `to` has a list of forms for each recipient: the first that is an address of ours counts. All are
        taken or none, because a command can tell its MTA about one only.
        """
        upload = arguments.get("upload")
        try:
            recipients = tuple(self._decided(forms, arguments["from"]) for forms in arguments["to"])
            mail = Incoming(
                source=SOURCE,
                protocol=PROTOCOL,
                peer="",
                helo="",
                tls="",
                reverse_path=arguments["from"],
                recipients=recipients,
                content=b64decode(arguments["data"]),
                rest=StagedRest(upload, arguments["rest_bytes"]) if upload is not None else None,
            )
            row_ids = await self._receiver.receive(mail)
        except Refused as error:
            if upload is not None:
                await self._uploads.drop(upload)
            return _shown(error.reply)
        return _shown(SmtpReply(250, "2.0.0", f"received as {show_id('inb', row_ids[0])}"))

    def _decided(self, forms: list[str], reverse_path: str) -> Addressed:
        found = self._recipients.decide_forms(forms, reverse_path)
        if isinstance(found, SmtpReply):
            raise Refused(found)
        return found


def _shown(reply: SmtpReply) -> dict[str, Any]:
    return {"code": reply.code, "enhanced": reply.enhanced, "text": reply.text}


@contextlib.contextmanager
def calling_alone(settings: Settings) -> Iterator[Callable[[str, Arguments], Any]]:
    """Give what performs these operations where no server runs. Raises PostroomError, as each call does.

    For what `app.arriving` leaves: PostgreSQL, where this host's server did not run lately.
    """
    set_up_log("warning")
    with asyncio.Runner() as runner:
        services = open_services(settings, SystemClock())
        operations = PipeOperations(runner.run(services.__aenter__())).by_name()

        async def perform(operation: str, arguments: Arguments) -> Any:
            return await operations[operation](arguments)

        try:
            yield lambda operation, arguments: runner.run(perform(operation, arguments))
        finally:
            runner.run(services.__aexit__(None, None, None))
