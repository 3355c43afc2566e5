"""Citrix Provisioning: sites and servers, which every host knows, and proxies, which the host of their VIF has."""

from collections.abc import Mapping, Sequence
from typing import Final

from xenhost.api.host.v1 import network_pb2, pvs_service_pb2
from xenhost.pool.call import NULL_REF, ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Change, Record
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.networks.addresses import check_port, checked_address
from xenhost.pool.networks.keeper import NetworkKeeper
from xenhost.pool.networks.work import NetworkWork

_INITIALISED: Final = network_pb2.PVS_PROXY_STATE_INITIALISED


class Pvs:
    """Answers the messages of sites, servers and proxies."""

    def __init__(self, database: Database, agents: Agents, keeper: NetworkKeeper) -> None:
        self._database: Final = database
        self._keeper: Final = keeper
        self._work: Final = NetworkWork(database, agents)
        keeper.add(self.follow)
        database.listen(self._plugged)

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "PVS_site.introduce": self.introduce_site,
            "PVS_site.forget": self.forget_site,
            "PVS_site.set_PVS_uuid": self.set_site_uuid,
            "PVS_server.introduce": self.introduce_server,
            "PVS_server.forget": self.forget_server,
            "PVS_proxy.create": self.create_proxy,
            "PVS_proxy.destroy": self.destroy_proxy,
        }

    async def introduce_site(self, context: Context, name: str, description: str, uuid: str) -> Ref:
        """`uuid` is what the site calls itself."""
        fields: dict[str, Value] = {"name_label": name, "name_description": description, "PVS_uuid": uuid}
        return await self._create("PVS_site", fields)

    async def forget_site(self, context: Context, site: Ref) -> None:
        """With proxies that are stopped. Raises ApiError: one runs, or the site has servers."""
        record = self._database.get("PVS_site", site)
        self._check_stopped(record)
        if servers := record.refs("servers"):
            raise ApiError("PVS_SITE_CONTAINS_SERVERS", *servers)
        proxies = [("PVS_proxy", each) for each in record.refs("proxies")]
        storage = [("PVS_cache_storage", each) for each in record.refs("cache_storage")]
        await self._destroy(*proxies, *storage, ("PVS_site", site))

    async def set_site_uuid(self, context: Context, site: Ref, value: str) -> None:
        """Raises ApiError PVS_SITE_CONTAINS_RUNNING_PROXIES."""

        def do(transaction: Transaction) -> Value:
            record = transaction.get("PVS_site", site)
            self._check_stopped(record)
            transaction.set("PVS_site", site, {"PVS_uuid": value})
            return record["PVS_uuid"]

        await self._keeper.change(self.follow, do, lambda t, before: t.set("PVS_site", site, {"PVS_uuid": before}))

    async def introduce_server(
        self, context: Context, addresses: Sequence[str], first_port: int, last_port: int, site: Ref
    ) -> Ref:
        """Raises ApiError INVALID_IP_ADDRESS_SPECIFIED, PVS_SERVER_ADDRESS_IN_USE, VALUE_NOT_SUPPORTED."""
        own = tuple(dict.fromkeys(str(checked_address("addresses", each)) for each in addresses))
        self._database.get("PVS_site", site)
        taken = {each for record in self._database.rows("PVS_server").values() for each in _texts(record["addresses"])}
        if both := [each for each in own if each in taken]:
            raise ApiError("PVS_SERVER_ADDRESS_IN_USE", *both)
        check_port("first_port", first_port)
        check_port("last_port", last_port)
        if last_port < first_port:
            raise ApiError("VALUE_NOT_SUPPORTED", "last_port", str(last_port), "last_port smaller than first_port")
        fields: dict[str, Value] = {
            "addresses": own,
            "first_port": first_port,
            "last_port": last_port,
            "site": site,
        }
        return await self._create("PVS_server", fields)

    async def forget_server(self, context: Context, server: Ref) -> None:
        """Traffic with it goes through no proxy any more."""
        await self._destroy(("PVS_server", server))

    async def create_proxy(self, context: Context, site: Ref, vif: Ref) -> Ref:
        """For a VM's first VIF; it begins at once, or when that is plugged.

        Raises ApiError PVS_PROXY_ALREADY_PRESENT, PVS_VIF_MUST_BE_FIRST_DEVICE, OPENVSWITCH_NOT_ACTIVE.
        """
        self._database.get("PVS_site", site)
        record = self._database.get("VIF", vif)
        if there := [ref for ref, proxy in self._database.rows("PVS_proxy").items() if proxy["VIF"] == vif]:
            raise ApiError("PVS_PROXY_ALREADY_PRESENT", *there)
        devices = [self._database.get("VIF", each) for each in self._database.get("VM", record.one("VM")).refs("VIFs")]
        if int(str(record["device"])) != min(int(str(each["device"])) for each in devices):
            raise ApiError("PVS_VIF_MUST_BE_FIRST_DEVICE")
        return await self._create("PVS_proxy", {"site": site, "VIF": vif})

    async def destroy_proxy(self, context: Context, proxy: Ref) -> None:
        """The guest's traffic goes to its servers as ever."""
        await self._destroy(("PVS_proxy", proxy))

    async def follow(self, agent: Agent, told: network_pb2.HostNetwork) -> None:
        """See Part. What others need goes last, and comes first."""
        sites = {str(record["uuid"]): record for record in self._database.rows("PVS_site").values()}
        servers = {str(record["uuid"]): record for record in self._database.rows("PVS_server").values()}
        proxies = {str(record["uuid"]): record for record in self._database.rows("PVS_proxy").values()}
        kept = {uuid for uuid, proxy in proxies.items() if self._host(proxy) in (agent.host, NULL_REF)}
        here = {uuid for uuid in kept if self._attached(proxies[uuid])}
        same = {site.id for site in told.pvs_sites if site.id in sites and site.pvs_uuid == sites[site.id]["PVS_uuid"]}
        known = [site for site in told.pvs_sites if site.id in same]
        for site in told.pvs_sites:
            for proxy in site.proxies:
                if site.id not in same or proxy.id not in kept:
                    request = pvs_service_pb2.DestroyPvsProxyRequest(id=proxy.id)
                    await self._work.run(agent, agent.pvs.DestroyPvsProxy, request)
            for server in site.servers:
                if site.id not in same or server.id not in servers:
                    forget = pvs_service_pb2.ForgetPvsServerRequest(id=server.id)
                    await self._work.run(agent, agent.pvs.ForgetPvsServer, forget)
            if site.id not in same:
                away = pvs_service_pb2.ForgetPvsSiteRequest(id=site.id)
                await self._work.run(agent, agent.pvs.ForgetPvsSite, away)
        for uuid in sites.keys() - same:
            await self._work.run(agent, agent.pvs.IntroducePvsSite, _site(sites[uuid]))
        for uuid in servers.keys() - {server.id for site in known for server in site.servers}:
            introduce = _server(servers[uuid], self._work.uuid("PVS_site", servers[uuid].one("site")))
            await self._work.run(agent, agent.pvs.IntroducePvsServer, introduce)
        for uuid in here - {proxy.id for site in known for proxy in site.proxies}:
            await self._work.run(agent, agent.pvs.CreatePvsProxy, self._proxy(proxies[uuid]))
        if proxies:
            await self._look(agent)

    async def _look(self, agent: Agent) -> None:
        """What has become of the proxies."""
        told = await agent.call(agent.pvs.ListPvsSites, pvs_service_pb2.ListPvsSitesRequest())
        states = {proxy.id: proxy.status for site in told.sites for proxy in site.proxies}

        def write(transaction: Transaction) -> None:
            for ref, proxy in tuple(transaction.rows("PVS_proxy").items()):
                if self._host(proxy) not in (agent.host, NULL_REF):
                    continue
                state = states.get(str(proxy["uuid"]), network_pb2.PvsProxyStatus())
                runs = state.attached and self._attached(proxy)
                word = "initialised" if runs and state.state == _INITIALISED else "stopped"
                transaction.set("PVS_proxy", ref, {"currently_attached": runs, "status": word})

        await self._database.change(write)

    def _plugged(self, changes: Sequence[Change]) -> None:
        """A VIF with a proxy was plugged, or unplugged."""
        if not self._database.rows("PVS_proxy"):
            return
        vifs = {proxy["VIF"] for proxy in self._database.rows("PVS_proxy").values()}
        for change in changes:
            before, after = change.before, change.after
            if before is None or after is None or after.ref not in vifs:
                continue
            if before["currently_attached"] != after["currently_attached"]:
                for host in self._keeper.live():
                    self._keeper.again(host)

    async def _create(self, cls: str, fields: Mapping[str, Value]) -> Ref:
        return await self._keeper.change(
            self.follow, lambda t: t.create(cls, fields), lambda t, made: t.delete(cls, made)
        )

    async def _destroy(self, *doomed: tuple[str, Ref]) -> None:
        def do(transaction: Transaction) -> list[Record]:
            gone = []
            for cls, ref in doomed:
                gone.append(transaction.get(cls, ref))
                transaction.delete(cls, ref)
            return gone

        def undo(transaction: Transaction, gone: Sequence[Record]) -> None:
            for record in reversed(gone):
                transaction.create(record.cls, record, record.ref)

        await self._keeper.change(self.follow, do, undo)

    def _check_stopped(self, site: Record) -> None:
        running = [ref for ref in site.refs("proxies") if self._database.get("PVS_proxy", ref)["currently_attached"]]
        if running:
            raise ApiError("PVS_SITE_CONTAINS_RUNNING_PROXIES", *running)

    def _host(self, proxy: Record) -> Ref:
        """Where its VM runs."""
        vif = self._database.find("VIF", proxy.one("VIF"))
        vm = None if vif is None else self._database.find("VM", vif.one("VM"))
        return NULL_REF if vm is None else vm.one("resident_on")

    def _attached(self, proxy: Record) -> bool:
        vif = self._database.find("VIF", proxy.one("VIF"))
        return vif is not None and bool(vif["currently_attached"])

    def _proxy(self, record: Record) -> pvs_service_pb2.CreatePvsProxyRequest:
        vif = self._database.get("VIF", record.one("VIF"))
        return pvs_service_pb2.CreatePvsProxyRequest(
            id=str(record["uuid"]),
            site_id=self._work.uuid("PVS_site", record.one("site")),
            vm_id=self._work.uuid("VM", vif.one("VM")),
            vif_index=int(str(vif["device"])),
        )


def _site(record: Record) -> pvs_service_pb2.IntroducePvsSiteRequest:
    return pvs_service_pb2.IntroducePvsSiteRequest(
        id=str(record["uuid"]),
        name=str(record["name_label"] or record["uuid"]),
        description=str(record["name_description"]),
        pvs_uuid=str(record["PVS_uuid"]),
    )


def _server(record: Record, site: str) -> pvs_service_pb2.IntroducePvsServerRequest:
    return pvs_service_pb2.IntroducePvsServerRequest(
        id=str(record["uuid"]),
        site_id=site,
        addresses=_texts(record["addresses"]),
        first_port=int(str(record["first_port"])),
        last_port=int(str(record["last_port"])),
    )


def _texts(value: Value) -> list[str]:
    assert isinstance(value, tuple)
    return [str(each) for each in value]
