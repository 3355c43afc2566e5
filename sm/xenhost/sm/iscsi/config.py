"""The device-config of SRs on iSCSI."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from xenhost.core.storage import ConfigKey
from xenhost.core.storage_errors import backend_failure
from xenhost.sm.iscsi.output import Target, is_iqn, parse_portal
from xenhost.sm.scsi import multipath

TARGET_MISSING: Final = 95
INITIATOR_INVALID: Final = 70
IQN_INVALID: Final = 106
BAD_REQUEST: Final = 143
PORT_INVALID: Final = 142
ANY: Final = "*"
"""All targets that the server names."""

TARGET_KEYS: Final = (
    ConfigKey("target", "address of the iSCSI server; several separated by commas, tried in turn", True),
    ConfigKey("targetIQN", "name of the target, or * for all", True),
    ConfigKey("port", "TCP port, 3260 if not given"),
    ConfigKey("chapuser", "user name, if the target asks for one"),
    ConfigKey("chappassword", "its password", secret=True),
    ConfigKey("incoming_chapuser", "user name by which the target shows who it is"),
    ConfigKey("incoming_chappassword", "its password", secret=True),
    ConfigKey("localIQN", "name by which this host logs in, if not that of /etc/iscsi/initiatorname.iscsi"),
    ConfigKey(
        "replacement_timeout",
        "seconds for which reads and writes wait for a lost session; if not given 60, or 15 with multipathing",
    ),
    ConfigKey(
        "multihomed",
        "true: log in by any portal of the target that the server names, with multipathing by all; false: only by those"
        " at the addresses of `target`; if not given, as multipathing",
    ),
    ConfigKey(
        "multiSession",
        "portals to log in to, as XenServer's PBDs have them: address,port,targetIQN, separated by |; the server is not"
        " asked for any then",
    ),
    multipath.KEY,
)
SCSI_ID_KEY: Final = ConfigKey("SCSIid", "SCSI id of the LUN, as a probe shows it", True)


@dataclass(frozen=True, slots=True)
class Chap:
    """Who we are to a target."""

    user: str = ""
    password: str = ""
    incoming_user: str = ""
    incoming_password: str = ""


@dataclass(frozen=True, slots=True)
class IscsiConfig:
    """A device-config that is checked."""

    hosts: tuple[str, ...]
    port: int
    iqn: str
    """`*`: all; empty: not chosen yet."""
    scsi_id: str
    chap: Chap
    replacement_timeout: int
    local_iqn: str = ""
    """Our name; empty: that of the host."""
    multipathing: bool = False
    """Log in by all portals of a target, not by one."""
    multihomed: bool = False
    """Also by those at other addresses than that of the server which names them."""
    targets: tuple[Target, ...] = ()
    """What to log in to, if the server is not to be asked."""


def parse(untrusted_config: Mapping[str, str]) -> IscsiConfig:
    """Raises SrBackendFailure 70, 95, 106, 142, 143, 431."""
    hosts = tuple(host.strip() for host in untrusted_config.get("target", "").split(",") if host.strip())
    if not hosts:
        raise backend_failure(TARGET_MISSING, "device-config:target is missing: the address of the iSCSI server")
    for host in hosts:
        if len(host) > 255 or any(letter in host for letter in " \t/\\,") or host.startswith("-"):
            raise backend_failure(TARGET_MISSING, f"device-config:target: {host!r:.80} is no address")
    iqn = untrusted_config.get("targetIQN", "").strip()
    if iqn and iqn != ANY and not is_iqn(iqn):
        raise backend_failure(IQN_INVALID, f"device-config:targetIQN: {iqn!r:.240} is not the name of a target")
    local_iqn = untrusted_config.get("localIQN", "").strip()
    if local_iqn and not is_iqn(local_iqn):
        raise backend_failure(INITIATOR_INVALID, f"device-config:localIQN: {local_iqn!r:.240} is not a name")
    multipathing = multipath.is_on(untrusted_config)
    multihomed = untrusted_config.get("multihomed", "").strip().lower() or str(multipathing).lower()
    if multihomed not in ("true", "false"):
        raise backend_failure(BAD_REQUEST, f"device-config:multihomed is true or false, not {multihomed!r:.40}")
    return IscsiConfig(
        hosts,
        _number(untrusted_config, "port", 3260, 65535),
        iqn,
        untrusted_config.get("SCSIid", "").strip(),
        Chap(
            untrusted_config.get("chapuser", ""),
            untrusted_config.get("chappassword", ""),
            untrusted_config.get("incoming_chapuser", ""),
            untrusted_config.get("incoming_chappassword", ""),
        ),
        _number(untrusted_config, "replacement_timeout", 15 if multipathing else 60, 86400),
        local_iqn,
        multipathing,
        multihomed == "true",
        _targets(untrusted_config.get("multiSession", ""), iqn),
    )


def _targets(untrusted_text: str, iqn: str) -> tuple[Target, ...]:
    """`10.0.0.1,3260,iqn.2001-04.com.example:a|...`, of the targets that are meant."""
    found = []
    for text in filter(None, untrusted_text.split("|")):
        host, port, name = (*text.strip().split(",", 2), "", "")[:3]
        host = host.strip("[]")
        portal = parse_portal(f"[{host}]:{port},1" if ":" in host else f"{host}:{port},1")
        if portal is None or host.startswith("-") or not is_iqn(name):
            raise backend_failure(
                IQN_INVALID, f"device-config:multiSession: {text!r:.240} is not an address, a port and a target"
            )
        if iqn not in ("", ANY, name):
            raise backend_failure(IQN_INVALID, f"device-config:multiSession: {name} is not the targetIQN")
        found.append(Target(portal, name))
    return tuple(dict.fromkeys(found))


def _number(untrusted_config: Mapping[str, str], key: str, default: int, largest: int) -> int:
    text = untrusted_config.get(key, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 7 and 0 < int(text) <= largest):
        raise backend_failure(PORT_INVALID, f"device-config:{key} is a number from 1 to {largest}, not {text!r:.40}")
    return int(text)
