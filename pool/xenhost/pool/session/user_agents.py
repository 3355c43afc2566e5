"""What clients call themselves when they log in, as host.get_tracked_user_agents tells."""

from collections.abc import Callable
from typing import Final

from xenhost.pool.call import NOTHING, Context, FrozenMap, Ref, Registry, Value

MAX_AGENT: Final = 64
"""Characters of one; longer ones are not kept."""
MAX_AGENTS: Final = 128
"""The oldest goes."""


class UserAgents:
    """Names, and the version of each that was seen last."""

    def __init__(self, host: Callable[[], Ref]) -> None:
        """`host`: the pool master's; others meet no clients."""
        self._host: Final = host
        self._seen: Final[dict[str, str]] = {}

    def register(self, registry: Registry) -> None:
        """Answer for them."""
        registry.register("host.get_tracked_user_agents", self._answer)

    def note(self, untrusted: str) -> None:
        """A User-Agent, such as `XenAPI/1.0 comment`."""
        name, _, version = untrusted.partition(" ")[0].partition("/")
        if not name or len(untrusted) > MAX_AGENT:
            return
        if name not in self._seen and len(self._seen) >= MAX_AGENTS:
            del self._seen[next(iter(self._seen))]
        self._seen[name] = version

    async def _answer(self, context: Context, host: Ref) -> Value:
        return FrozenMap(self._seen) if host == self._host() else NOTHING
