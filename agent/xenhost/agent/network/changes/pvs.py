"""Changes of PVS sites, servers and proxies."""

from typing import NoReturn

from xenhost.agent.network.changes.draft import Draft
from xenhost.core.errors import HandleInvalid
from xenhost.core.network import SwitchFeature
from xenhost.core.network_errors import (
    OpenvswitchNotActive,
    PvsProxyAlreadyPresent,
    PvsServerAddressInUse,
    PvsSiteContainsRunningProxies,
    PvsSiteContainsServers,
)
from xenhost.core.network_requests import (
    CreatePvsProxy,
    DestroyPvsProxy,
    ForgetPvsServer,
    ForgetPvsSite,
    IntroducePvsServer,
    IntroducePvsSite,
)
from xenhost.core.pvs import PvsProxy, PvsServer, PvsSite, PvsSiteId


def introduce_site(draft: Draft, request: IntroducePvsSite) -> None:
    """A record; servers and proxies refer to it."""
    draft.check_new("PVS_site", request.id, draft.pvs_sites)
    draft.pvs_sites[request.id] = PvsSite(request.id, request.name, request.description, request.pvs_uuid)


def forget_site(draft: Draft, request: ForgetPvsSite) -> None:
    """Raises PvsSiteContainsRunningProxies, PvsSiteContainsServers."""
    site = _site(draft, request.site)
    if proxies := [each.id for each in draft.pvs_proxies.values() if each.site == site.id]:
        message = f"site {site.name} has {len(proxies)} proxies; destroy them first"
        raise PvsSiteContainsRunningProxies(message, proxies=",".join(proxies))
    if servers := [each.id for each in draft.pvs_servers.values() if each.site == site.id]:
        message = f"site {site.name} has {len(servers)} servers; forget them first"
        raise PvsSiteContainsServers(message, servers=",".join(servers))
    del draft.pvs_sites[site.id]


def introduce_server(draft: Draft, request: IntroducePvsServer) -> None:
    """Raises PvsServerAddressInUse."""
    draft.check_new("PVS_server", request.id, draft.pvs_servers)
    site = _site(draft, request.site)
    taken = {address for each in draft.pvs_servers.values() for address in each.addresses}
    for address in request.addresses:
        if address in taken:
            raise PvsServerAddressInUse(f"another PVS server has the address {address}", address=str(address))
    draft.pvs_servers[request.id] = PvsServer(
        request.id, site.id, request.addresses, request.first_port, request.last_port
    )


def forget_server(draft: Draft, request: ForgetPvsServer) -> None:
    """Traffic with it goes through no proxy any more."""
    if draft.pvs_servers.pop(request.server, None) is None:
        _missing("PVS_server", request.server)


def create_proxy(draft: Draft, request: CreatePvsProxy) -> None:
    """Raises OpenvswitchNotActive, PvsProxyAlreadyPresent."""
    draft.check_new("PVS_proxy", request.id, draft.pvs_proxies)
    site = _site(draft, request.site)
    if SwitchFeature.PVS_PROXY not in draft.facts.features:
        raise OpenvswitchNotActive(
            f"a PVS proxy needs Open vSwitch, and the switch of this host is {draft.facts.kind.value};"
            " see `xenhost host set-switch`"
        )
    for each in draft.pvs_proxies.values():
        if (each.vm, each.devid) == (request.vm, request.devid) or each.mac == request.mac:
            raise PvsProxyAlreadyPresent(f"VIF {request.devid} of VM {request.vm} has a proxy", proxies=each.id)
    draft.pvs_proxies[request.id] = PvsProxy(
        request.id, site.id, request.vm, request.devid, request.mac, request.bridge
    )


def destroy_proxy(draft: Draft, request: DestroyPvsProxy) -> None:
    """The guest's traffic goes to its servers as ever."""
    if draft.pvs_proxies.pop(request.proxy, None) is None:
        _missing("PVS_proxy", request.proxy)


def _site(draft: Draft, site: PvsSiteId) -> PvsSite:
    return draft.pvs_sites.get(site) or _missing("PVS_site", site)


def _missing(class_name: str, handle: str) -> NoReturn:
    raise HandleInvalid(f"there is no {class_name} {handle!r:.80}", class_name=class_name, handle=handle[:80])
