"""What cannot be wished, collected."""

from typing import Final

from xenhost.agent.network.keys import Complain
from xenhost.core.network import Problem


class Problems:
    """Each once, in the order in which they were found."""

    def __init__(self) -> None:
        self._found: Final[dict[Problem, None]] = {}

    def at(self, place: str) -> Complain:
        """Complains about one place."""

        def complain(message: str) -> None:
            self._found[Problem(place, message)] = None

        return complain

    def all(self) -> tuple[Problem, ...]:
        """All of them."""
        return tuple(self._found)
