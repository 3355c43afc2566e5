"""Time servers: what chrony's and systemd-timesyncd's files say, what they shall say, and how the servers do. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

OURS: Final = "# by xenhost: "
"""Before a line of the distribution's that is not wanted now."""
_MARK: Final = "# by xenhost"
"""On a line before each of ours: chrony takes no comment behind a directive."""
_STATES: Final = {
    "*": "synced",
    "+": "combined",
    "-": "uncombined",
    "x": "error",
    "~": "variable",
    "?": "unreachable",
}
"""As `chronyc -c sources` marks them, in xapi's words (xapi_host_ntp.ml)."""


def chrony_conf(text: str, servers: Sequence[str]) -> str:
    """chrony.conf with these servers instead of the distribution's; without any, with the distribution's again."""
    old = text.splitlines()
    lines = [line for before, line in zip(("", *old), old, strict=False) if not _is_ours(before, line)]
    lines = [line.removeprefix(OURS) for line in lines]
    if servers:
        lines = [f"{OURS}{line}" if line.split()[:1] in (["pool"], ["server"]) else line for line in lines]
        for server in servers:
            lines += (_MARK, f"server {server} iburst")
    return "".join(f"{line}\n" for line in lines)


def _is_ours(before: str, line: str) -> bool:
    """A mark, also one behind a server, or the server below a mark."""
    return line.endswith(_MARK) or (before == _MARK and line.startswith("server "))


def timesyncd_conf(servers: Sequence[str]) -> str:
    """A file for timesyncd.conf.d: these servers, and no others."""
    return f"{_MARK}\n[Time]\nNTP=\nNTP={' '.join(servers)}\nFallbackNTP=\n"


def chrony_servers(untrusted_text: str) -> Mapping[str, str]:
    """How servers do, of `chronyc -c sources`."""
    rows = [line.strip().split(",") for line in untrusted_text.splitlines()]
    return {row[2]: _STATES.get(row[1], "unknown") for row in rows if len(row) > 3 and row[0] == "^"}


def properties(untrusted_text: str) -> Mapping[str, str]:
    """Of `systemctl show`, `timedatectl show` and their like."""
    pairs = (line.partition("=") for line in untrusted_text.splitlines())
    return {key: value for key, equals, value in pairs if equals}
