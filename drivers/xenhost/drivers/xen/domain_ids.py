"""Choosing the id of a new domain.

Ids go round robin, as Xen's own do, so that a late message about a dead domain never meets its successor. We choose
rather than Xen, because our record must stand before the domain does.
"""

import contextlib
import time
from collections.abc import Container
from pathlib import Path
from typing import Final

from xenhost.core.errors import TooBusy
from xenhost.core.ids import DomId

LIMIT: Final = 0x7FF0
"""Ids of domains are below (DOMID_FIRST_RESERVED)."""
_HISTORY: Final = Path("/run/xen/domid-history")
_RECENT: Final = 60
"""Seconds for which libxl does not use an id again."""


def next_domid(last: DomId, taken: Container[DomId]) -> DomId:
    """The first free id after `last`, going round. Raises TooBusy if every id is taken."""
    for step in range(1, LIMIT):
        domid = DomId((last + step - 1) % (LIMIT - 1) + 1)
        if domid not in taken:
            return domid
    raise TooBusy(f"all {LIMIT - 1} domain ids are in use")


def recently_used() -> set[DomId]:
    """Ids that libxl used within the last minute: its file of `seconds domid` lines, by the monotonic clock."""
    recent: set[DomId] = set()
    with contextlib.suppress(OSError):
        text = _HISTORY.read_text(errors="replace")[-65536:]
        since = time.clock_gettime(time.CLOCK_MONOTONIC) - _RECENT
        for line in text.splitlines():
            words = line.split()
            if len(words) == 2 and all(word.isascii() and word.isdigit() for word in words) and int(words[0]) >= since:
                recent.add(DomId(int(words[1])))
    return recent
