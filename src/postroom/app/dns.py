"""The look-ups of the domain room, answered by the resolver."""

from postroom.base.errors import TryLater
from postroom.net.dns import Answer, Resolver, Status


class ResolverDns:
    """`domains.checks.DomainDns` on a resolver, without its cache.

    Whoever asks for a check has just changed the records; what DNS said before must not stand in the way.
    """

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def texts(self, name: str) -> tuple[str, ...]:
        """Return the TXT records. Raises TryLater where DNS gave no answer."""
        self._resolver.forget(name)
        return _records(await self._resolver.txt(name))

    async def mail_hosts(self, name: str) -> tuple[str, ...]:
        """Return the MX hosts. Raises TryLater where DNS gave no answer."""
        self._resolver.forget(name)
        answer = await self._resolver.mx(name)
        _check(answer.status, answer.reason)
        return tuple(record.host for record in answer.records)

    async def alias_of(self, name: str) -> str | None:
        """Return the CNAME's target, or None. Raises TryLater where DNS gave no answer."""
        self._resolver.forget(name)
        return next(iter(_records(await self._resolver.cname(name))), None)

    async def addresses(self, name: str) -> frozenset[str]:
        """Return the addresses. Raises TryLater where DNS gave no answer."""
        self._resolver.forget(name)
        return frozenset(_records(await self._resolver.addresses(name)))


def _records(answer: Answer[str]) -> tuple[str, ...]:
    _check(answer.status, answer.reason)
    return answer.records


def _check(status: Status, reason: str) -> None:
    if status is Status.TEMPORARY_FAILURE:
        raise TryLater(reason)
