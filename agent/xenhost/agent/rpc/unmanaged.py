"""Networks of a host where they are somebody else's: every call about them is refused, and says why."""

from typing import NoReturn

from xenhost.agent.rpc.networking import Networking
from xenhost.core.errors import OperationNotAllowed
from xenhost.core.network_records import BondId, ControllerId, NetworkId, PifId, SriovId, TunnelId
from xenhost.core.network_requests import NetworkRequest


class UnmanagedNetworks(Networking):
    """Raises OperationNotAllowed always."""

    async def submit(self, request: NetworkRequest, request_id: str = "") -> NoReturn:
        """Refused."""
        _refuse()

    async def confirm_management(self) -> None:
        """Refused."""
        _refuse()

    def host_network(self) -> NoReturn:
        """Refused."""
        _refuse()

    def management(self) -> NoReturn:
        """Refused."""
        _refuse()

    def networks(self) -> NoReturn:
        """Refused."""
        _refuse()

    def network(self, network: NetworkId) -> NoReturn:
        """Refused."""
        _refuse()

    def pifs(self) -> NoReturn:
        """Refused."""
        _refuse()

    def pif(self, pif: PifId) -> NoReturn:
        """Refused."""
        _refuse()

    def bonds(self) -> NoReturn:
        """Refused."""
        _refuse()

    def bond(self, bond: BondId) -> NoReturn:
        """Refused."""
        _refuse()

    def vlans(self) -> NoReturn:
        """Refused."""
        _refuse()

    def vlan(self, untagged: PifId) -> NoReturn:
        """Refused."""
        _refuse()

    def tunnels(self) -> NoReturn:
        """Refused."""
        _refuse()

    def tunnel(self, tunnel: TunnelId) -> NoReturn:
        """Refused."""
        _refuse()

    def sriovs(self) -> NoReturn:
        """Refused."""
        _refuse()

    def sriov(self, sriov: SriovId) -> NoReturn:
        """Refused."""
        _refuse()

    def controllers(self) -> NoReturn:
        """Refused."""
        _refuse()

    def controller(self, controller: ControllerId) -> NoReturn:
        """Refused."""
        _refuse()

    def pvs_sites(self) -> NoReturn:
        """Refused."""
        _refuse()

    def find_network(self, untrusted_text: str) -> NoReturn:
        """Refused."""
        _refuse()

    def find_pif(self, untrusted_text: str) -> NoReturn:
        """Refused."""
        _refuse()


def _refuse() -> NoReturn:
    raise OperationNotAllowed(
        "the networks of this host are not managed by xenhost; see [network] manage in xenhostd.toml",
        reason_text="networks are not managed here",
    )
