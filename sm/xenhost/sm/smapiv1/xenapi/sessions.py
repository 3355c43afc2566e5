"""Sessions: the right to call, and for a driver's own session the right to change the records of one SR."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from xenhost.sm.smapiv1.xenapi.failure import ApiFailure

_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Session:
    """Who calls."""

    sr: str = ""
    """Reference of the SR whose driver this is (`_sm_session`); empty: not a driver, which may not change what drivers
    own."""
    making: str = ""
    """UUID that was asked for what this command makes."""


class Sessions:
    """Those that are open. They do not outlive the agent: the plugins that used them are told so and fail."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Session] = OrderedDict()

    def open(self, session: Session) -> str:
        """A reference for it. Of very many, the oldest ends."""
        ref = f"OpaqueRef:{secrets.token_hex(16)}"
        self._open[ref] = session
        while len(self._open) > _MOST:
            self._open.popitem(last=False)
        return ref

    def get(self, ref: str) -> Session:
        """The session. Raises ApiFailure SESSION_INVALID."""
        session = self._open.get(ref)
        if session is None:
            raise ApiFailure("SESSION_INVALID", ref[:100])
        return session

    def close(self, ref: str) -> None:
        """End it. No-op if it has ended."""
        self._open.pop(ref, None)
