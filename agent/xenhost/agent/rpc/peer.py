"""Who calls: the names in the client's certificate, or a local process on the unix socket."""

from dataclasses import dataclass

from xenhost.agent.rpc.context import Context


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection. Names come from a certificate that the pool's CA signed."""

    address: str
    certified: bool
    names: frozenset[str]

    def __str__(self) -> str:
        return f"{self.address} ({', '.join(sorted(self.names))})" if self.names else self.address


def peer_of(context: Context) -> Peer:
    """The caller. `certified` is true on TLS, where a client certificate is required."""
    auth = context.auth_context()
    raw = [name for key in ("x509_common_name", "x509_subject_alternative_name") for name in auth.get(key, ())]
    names = frozenset(name.decode("utf-8", "replace")[:255] for name in raw)
    return Peer(context.peer()[:200], b"ssl" in auth.get("transport_security_type", ()), names)
