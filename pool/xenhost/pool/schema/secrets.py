"""Which names say secret: of parameters, of keys in maps. References of sessions are as good as passwords."""

import re
from typing import Final

_SECRET: Final = re.compile(
    r"passw|passphrase|secret|pwd|token|cookie|credential|private|session|(?:^|[_-])key(?:$|[_-])"
    r"|(?:^|[^a-z0-9])(?:pass|apikey|sshkey)$",
    re.IGNORECASE,
)
_MAX_NAME: Final = 1024


def is_secret(untrusted_name: str) -> bool:
    """Whether what is called so is never shown. A name that is none for its length is one."""
    return len(untrusted_name) > _MAX_NAME or _SECRET.search(untrusted_name) is not None
