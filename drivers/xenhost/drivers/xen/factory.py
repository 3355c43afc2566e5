"""How `xenhostd` makes the Xen driver."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from xenhost.core.errors import HypervisorUnavailable, InvalidValue
from xenhost.core.ids import DomId
from xenhost.core.ports.hypervisor import DomainEvent, DomainEventKind, Hypervisor
from xenhost.drivers.network.plain import PlainBridges
from xenhost.drivers.registry import DriverSettings
from xenhost.drivers.xen import places
from xenhost.drivers.xen.backend import XenHypervisor
from xenhost.drivers.xen.devices.plugs import Devices
from xenhost.drivers.xen.domain import Domains
from xenhost.drivers.xen.emulator.emulators import EmulatorConfig, Emulators
from xenhost.drivers.xen.fanout import Fanout
from xenhost.drivers.xen.guest_data import GuestDataReader
from xenhost.drivers.xen.helper import Helpers
from xenhost.drivers.xen.hypercalls import Hypercalls
from xenhost.drivers.xen.shutdown import Shutdowns
from xenhost.drivers.xen.watch import Watcher
from xenhost.native.domain_helper import helper_path
from xenhost.native.errors import NativeUnavailable
from xenhost.native.xenstore import Xenstore

_MAX_HELPERS: Final = 16


@dataclass(frozen=True, slots=True)
class XenOptions:
    """The driver's own table of the configuration."""

    helpers: int = 0
    """Processes that build domains, so many at once; 0: one for each CPU of dom0, at most 4."""
    xenstore: str = ""
    """Address of xenstored; empty: where libxenstore would go."""


def parse_options(options: Mapping[str, object]) -> XenOptions:
    """Check the table. Raises InvalidValue."""
    for key, value in options.items():
        right = {
            "helpers": isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_HELPERS,
            "xenstore": isinstance(value, str),
        }.get(key)
        if right is None:
            known = "there are helpers and xenstore"
            raise InvalidValue(f"xen.{key} is not an option; {known}", field="xen", value=key[:40])
        if not right:
            wanted = f"a number from 0 to {_MAX_HELPERS}" if key == "helpers" else "a path"
            raise InvalidValue(f"xen.{key} must be {wanted}", field=f"xen.{key}", value=f"{value!s:.40}")
    helpers, xenstore = options.get("helpers", 0), options.get("xenstore", "")
    assert isinstance(helpers, int)
    assert isinstance(xenstore, str)
    return XenOptions(helpers, xenstore)


def make_hypervisor(settings: DriverSettings) -> Hypervisor:
    """Unopened. Raises InvalidValue for an unknown option, HypervisorUnavailable if the helper was not built."""
    options = parse_options(settings.options)
    try:
        program = helper_path()
    except NativeUnavailable as error:
        raise HypervisorUnavailable(str(error), msg=str(error)) from error
    xs, xen, fanout = Xenstore(options.xenstore or None), Hypercalls(), Fanout()
    helpers = Helpers(program, options.helpers or min(4, os.cpu_count() or 1))
    watcher = Watcher(xs, xen, fanout, settings.clock)

    def lost(domid: DomId) -> None:
        fanout.publish(DomainEvent(DomainEventKind.EMULATOR_LOST, domid, watcher.vm(domid)))

    emulators = Emulators(EmulatorConfig(run_dir=settings.run_dir / "emulator", log_dir=settings.log_dir), lost)
    return XenHypervisor(
        xs=xs,
        xen=xen,
        helpers=helpers,
        fanout=fanout,
        watcher=watcher,
        guest_data=GuestDataReader(xs, settings.clock),
        domains=Domains(xs, xen, helpers, places.firmware(), settings.clock),
        devices=Devices(xs, settings.switch or PlainBridges(), emulators=emulators, xen=xen),
        emulators=emulators,
        shutdowns=Shutdowns(xs, xen, fanout),
        bootloader=places.bootloader(settings.run_dir / "bootloader"),
    )
