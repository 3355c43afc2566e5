"""Settings of dom0 from the wire: untrusted, and some of them become words of a command or a file."""

import re
from collections.abc import Iterable
from typing import Final

from xenhost.agent.dom0.machine import GuestAgent, NtpMode
from xenhost.api.host.v1 import host_service_pb2
from xenhost.core.errors import InvalidValue

MAX_SERVERS: Final = 16
MAX_KEYS: Final = 64
_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9.-]{1,255}(?<!-)")
"""As xapi's set_hostname_live has it."""
_ADDRESS: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]{0,254}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]{1,45}")
_DESTINATION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
_URL: Final = re.compile(r"https?://[!-~]{1,1000}")
_IQN: Final = re.compile(r"[a-z0-9][A-Za-z0-9.:_-]{0,222}")


def hostname(untrusted_text: str) -> str:
    """Letters, digits, dots, and hyphens within."""
    return _matching(_NAME, untrusted_text, "hostname", "a name of letters, digits, dots and hyphens")


def destination(untrusted_text: str) -> str:
    """A name or address, with a port or without; empty is none."""
    what = "a name or address, such as log.example.net or 192.0.2.1:514"
    return _matching(_DESTINATION, untrusted_text, "syslog_destination", what) if untrusted_text else ""


def iqn(untrusted_text: str) -> str:
    """A name of an iSCSI initiator."""
    return _matching(_IQN, untrusted_text, "iscsi_iqn", "a name such as iqn.2026-11.net.example:host1")


def keys(untrusted_text: str) -> str:
    """Keys of Xen's debugger: letters, digits and signs."""
    if not 0 < len(untrusted_text) <= MAX_KEYS or not all("!" <= key <= "~" for key in untrusted_text):
        raise _wrong("keys", untrusted_text, f"1 to {MAX_KEYS} printable characters")
    if untrusted_text.startswith("-"):
        raise _wrong("keys", untrusted_text, "keys that do not begin with a hyphen")
    return untrusted_text


def guest_agent(untrusted: host_service_pb2.GuestAgentSetting) -> GuestAgent:
    """An address that begins with http, if there is one."""
    url = untrusted.update_url
    if url:
        _matching(_URL, url, "guest_agent.update_url", "an address such as https://example.net/")
    return GuestAgent(untrusted.auto_update if untrusted.HasField("auto_update") else None, url)


def time_servers(mode: NtpMode, untrusted_texts: Iterable[str]) -> tuple[str, ...]:
    """Names or addresses; some for the mode that needs them."""
    servers = tuple(_matching(_ADDRESS, each, "ntp.servers", "a name or address") for each in untrusted_texts)
    if len(servers) > MAX_SERVERS or (mode is NtpMode.CUSTOM and not servers):
        raise _wrong("ntp.servers", str(len(servers)), f"1 to {MAX_SERVERS} servers")
    return servers


def _matching(shape: re.Pattern[str], untrusted_text: str, field: str, what: str) -> str:
    if not shape.fullmatch(untrusted_text):
        raise _wrong(field, untrusted_text, what)
    return untrusted_text


def _wrong(field: str, untrusted_text: str, what: str) -> InvalidValue:
    return InvalidValue(f"{field} is {untrusted_text!r:.80}; give {what}", field=field, value=untrusted_text[:80])
