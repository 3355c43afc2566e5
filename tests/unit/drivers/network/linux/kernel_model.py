"""What the kernel does with the actions of a plan, as far as plans can see it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from xenhost.drivers.network.linux.links import OWN_GROUP, UPLINK_PRIORITY, Link
from xenhost.drivers.network.linux.plan import (
    Action,
    Attach,
    Change,
    Create,
    Delete,
    Detach,
    Enslave,
    Primary,
    Remode,
    Remotes,
)

_OPTIONS = ("br_", "bond_", "vlan_", "vxlan_id")


class ModelKernel:
    """Links by name."""

    def __init__(self, *links: Link) -> None:
        self.links = {each.name: each for each in links}
        self._next = max((each.index for each in links), default=0) + 1

    def all(self) -> tuple[Link, ...]:
        """As a dump."""
        return tuple(self.links.values())

    def do(self, actions: Iterable[Action]) -> None:
        """All of them. Fails the test where the real kernel would refuse."""
        for action in actions:
            self._do(action)

    def _do(self, action: Action) -> None:
        match action:
            case Delete():
                for name in action.devices:
                    self._delete(name)
            case Detach():
                link = self.links[action.device]
                self._set(link, master=0, port_of="", port={}, up=link.up and not action.down)
            case Create():
                self._create(action)
            case Change():
                self._attributes(action.device, action.attributes)
            case Remode():
                bond = self.links[action.device]
                for link in self.all():
                    if link.master == bond.index:
                        self._set(link, master=0, port_of="", up=False)
                self._attributes(action.device, action.attributes)
                for member in action.members:
                    self._enslave(member, action.device)
            case Enslave():
                self._enslave(action.device, action.bond)
            case Primary():
                bond = self.links[action.device]
                assert self.links[action.member].master == bond.index, "only a member can be primary"
                self._set(bond, options={**bond.options, "bond_primary": self.links[action.member].index})
            case Remotes():
                assert self.links[action.device].kind == "vxlan"
            case Attach():
                bridge, link = self.links[action.bridge], self.links[action.device]
                assert bridge.kind == "bridge"
                assert link.master in (0, bridge.index), "it is elsewhere"
                port = {"priority": UPLINK_PRIORITY, "isolated": int(action.isolated)}
                self._set(link, master=bridge.index, port_of="bridge", port=port, up=True)

    def _create(self, action: Create) -> None:
        assert action.device not in self.links, f"{action.device} exists"
        attributes = action.attributes
        options = {k: v for k, v in attributes.items() if k.startswith(_OPTIONS) and isinstance(v, int)}
        parent = self.links[action.parent].index if action.parent else 0
        if action.kind == "vlan":
            assert self.links[action.parent].up, "a VLAN comes up only on what is up"
            for link in self.all():
                taken = link.kind == "vlan" and link.parent == parent and link.options == options
                assert not taken, "that VLAN exists"
        self.links[action.device] = Link(
            index=self._next,
            name=action.device,
            kind=action.kind,
            up=True,
            mtu=int(attributes["mtu"]),
            mac=str(attributes.get("address", "02:00:00:00:00:00")),
            parent=parent,
            alias=action.alias,
            group=OWN_GROUP,
            options=options,
            local=str(attributes.get("vxlan_local", attributes.get("gre_local", ""))),
            remote=str(attributes.get("gre_remote", "")),
            key=int(attributes.get("vxlan_port", attributes.get("gre_ikey", 0))),
        )
        self._next += 1

    def _delete(self, name: str) -> None:
        gone = self.links.pop(name, None)
        if gone is None:
            return
        assert gone.ours, f"{name} is not ours"
        for link in self.all():
            if link.master == gone.index:
                self._set(link, master=0, port_of="", port={}, up=link.up and gone.kind != "bond")
            if link.kind == "vlan" and link.parent == gone.index:
                self._delete(link.name)

    def _enslave(self, member: str, bond: str) -> None:
        link = self.links[member]
        assert not link.master, f"{member} is elsewhere"
        master = self.links[bond]
        self._set(link, master=master.index, port_of="bond", port={}, up=True, mtu=master.mtu)

    def _attributes(self, name: str, attributes: Mapping[str, int | str]) -> None:
        link = self.links[name]
        options = {k: v for k, v in attributes.items() if k.startswith(_OPTIONS) and isinstance(v, int)}
        link = self._set(
            link,
            options={**link.options, **options},
            mtu=attributes.get("mtu", link.mtu),
            mac=attributes.get("address", link.mac),
            alias=attributes.get("ifalias", link.alias),
            up=link.up or attributes.get("state") == "up",
        )

    def _set(self, link: Link, **changes: object) -> Link:
        changed = replace(link, **changes)  # type: ignore[arg-type]  # whatever fields it has
        self.links[link.name] = changed
        return changed
