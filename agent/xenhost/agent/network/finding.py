"""Networks and PIFs by what people call them."""

from collections.abc import Iterable

from xenhost.agent.network.known import Known
from xenhost.agent.network.places import device_of
from xenhost.core.errors import HandleInvalid, InvalidValue
from xenhost.core.network_records import NetworkId, PifId, PifKind


def find_network(known: Known, untrusted_text: str) -> NetworkId:
    """By UUID, bridge or unique name. Raises HandleInvalid, InvalidValue."""
    text, networks = untrusted_text.strip(), known.effective.networks
    if text.lower() in networks:
        return NetworkId(text.lower())
    if (network := known.network_on(text)) is not None:
        return network.id
    return NetworkId(_one("network", untrusted_text, [each.id for each in networks.values() if each.name == text]))


def find_pif(known: Known, untrusted_text: str) -> PifId:
    """By UUID, or device such as eth0, eth0.5, bond0. Raises HandleInvalid, InvalidValue."""
    text, intent = untrusted_text.strip(), known.effective
    if text.lower() in intent.pifs:
        return PifId(text.lower())
    same = [pif.id for pif in intent.pifs.values() if device_of(intent, pif) == text and pif.kind is not PifKind.SRIOV]
    return PifId(_one("PIF", untrusted_text, same))


def find_bridge(known: Known, untrusted_text: str) -> str:
    """The bridge of a network, by its UUID or name, or a bridge itself. Raises HandleInvalid, InvalidValue."""
    text = untrusted_text.strip()
    if text in known.bridges:
        return text
    try:
        return known.effective.networks[find_network(known, untrusted_text)].bridge
    except HandleInvalid:
        raise HandleInvalid(
            f"there is no network or bridge {text!r:.80}", class_name="network", handle=untrusted_text[:80]
        ) from None


def _one(cls: str, untrusted_text: str, found: Iterable[str]) -> str:
    all_found = list(found)
    if len(all_found) == 1 and untrusted_text.strip():
        return all_found[0]
    if len(all_found) > 1:
        raise InvalidValue(
            f"{len(all_found)} {cls}s are called {untrusted_text.strip()!r:.80}; use a UUID",
            field=cls.lower(),
            value=untrusted_text[:80],
        )
    raise HandleInvalid(f"there is no {cls} {untrusted_text.strip()!r:.80}", class_name=cls, handle=untrusted_text[:80])
