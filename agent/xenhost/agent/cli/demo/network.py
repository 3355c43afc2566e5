"""The demo's network: one of the host's own, to which a card of the VM is moved while it runs."""

from collections.abc import Callable
from typing import Any, Final

from google.protobuf.field_mask_pb2 import FieldMask

from xenhost.agent.cli.client import Client
from xenhost.agent.cli.demo.stage import Stage
from xenhost.api.host.v1 import network_pb2, network_service_pb2, vif_service_pb2, vm_pb2

NETWORK: Final = "backstage"

Finish = Callable[[Callable[..., Any], Any], Any]
"""Sees an operation through; raises if it fails."""


class DemoNetwork:
    """Its steps."""

    def __init__(self, stage: Stage) -> None:
        self._stage: Final = stage
        self._bridge = ""

    def make(self, api: Client, finish: Finish) -> None:
        """A network for the VMs of this host only."""
        with self._stage.step("make a network for VMs only") as step:
            wanted = network_pb2.Network(name=NETWORK)
            finish(api.networks.CreateNetwork, network_service_pb2.CreateNetworkRequest(network=wanted))
            found = api.call(api.networks.GetNetwork, network_service_pb2.GetNetworkRequest(id=NETWORK))
            self._bridge = found.bridge
            step.note(f"{NETWORK}, bridge {found.bridge}")

    def move(self, api: Client, finish: Finish, vm: str, index: int) -> None:
        """A card of a running VM goes there, and is locked to an address."""
        with self._stage.step("move the second network card to it, and lock it") as step:
            vif = vm_pb2.Vif(network=NETWORK, locking=vm_pb2.VIF_LOCKING_LOCKED, ipv4_allowed=["192.0.2.7"])
            mask = FieldMask(paths=["network", "locking", "ipv4_allowed"])
            request = vif_service_pb2.UpdateVifRequest(vm_id=vm, index=index, vif=vif, update_mask=mask)
            finish(api.vifs.UpdateVif, request)
            moved = next(each for each in api.vm(vm).vifs if each.index == index)
            step.expect("its bridge", moved.bridge, self._bridge)
            step.expect("its state", moved.state, vm_pb2.DEVICE_STATE_ATTACHED)
            step.note(f"network card {index} is on {moved.bridge}, locked to {moved.ipv4_allowed[0]}")

    def remove(self, api: Client, finish: Finish) -> None:
        """Nothing is on it any more."""
        with self._stage.step("destroy the network") as step:
            request = network_service_pb2.DestroyNetworkRequest(id=NETWORK)
            finish(api.networks.DestroyNetwork, request)
            left = api.call(api.networks.ListNetworks, network_service_pb2.ListNetworksRequest()).networks
            step.expect("networks of that name", [each for each in left if each.name == NETWORK], [])
