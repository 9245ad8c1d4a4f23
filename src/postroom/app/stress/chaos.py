"""Manners that are bad by chance: a share of all commands is answered by a behaviour, drawn by weight."""

from collections import Counter
from collections.abc import Sequence
from random import Random

from postroom.app.stress.behaviours import Behaviour
from postroom.net.imap.steps import Exchange, Step

SUPERIMAP_PERCENT = 2.2
"""9 of 409 commands, as in SuperIMAP's own test server."""


class Chaos:
    """Manners for `net.imap.server`, the same for the same random source and order of commands."""

    def __init__(self, random: Random, percent: float, behaviours: Sequence[Behaviour]) -> None:
        """`percent` of all commands, greetings among them, are answered badly."""
        self._random = random
        self._share = percent / 100
        self._behaviours = tuple(behaviours)
        self._fitting: dict[str, tuple[list[Behaviour], list[float]]] = {}
        self.commands = 0
        self.done: Counter[str] = Counter()
        """How often each behaviour was shown."""
        self.is_calm = False
        """From now on every command is answered properly."""

    def perform(self, exchange: Exchange) -> Sequence[Step]:
        """Answer properly, or as a behaviour does."""
        self.commands += 1
        if self.is_calm or self._random.random() >= self._share:
            return exchange.answer()
        fitting, weights = self._fit(exchange.verb)
        if not fitting:
            return exchange.answer()
        (chosen,) = self._random.choices(fitting, weights)
        self.done[chosen.name] += 1
        return chosen.act(exchange, self._random)

    def _fit(self, verb: str) -> tuple[list[Behaviour], list[float]]:
        found = self._fitting.get(verb)
        if found is None:
            fitting = [one for one in self._behaviours if one.verbs is None or verb in one.verbs]
            found = self._fitting[verb] = (fitting, [one.weight for one in fitting])
        return found
