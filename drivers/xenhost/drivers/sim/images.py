"""What the simulated host writes of a suspended guest, in place of its memory."""

import json
import os
from typing import Any, Final

from xenhost.core.errors import DomainBuildFailed, InternalError
from xenhost.core.vm import VmSpec
from xenhost.drivers.sim.domain import GuestManners, SimDomain

_FIELDS: Final = ("memory", "memory_target", "vcpus_online", "vcpus_target", "cpu_time_ns")
_MAX: Final = 1 << 20


def write_image(fd: int, domain: SimDomain) -> None:
    """Blocking: call it in a thread. Raises InternalError."""
    record = {name: getattr(domain, name) for name in _FIELDS} | {"tells": domain.manners.tells}
    data = json.dumps(record).encode() + b"\n"
    try:
        while data:
            data = data[os.write(fd, data) :]
    except OSError as error:
        message = f"the memory of domain {domain.domid} could not be saved: {error.strerror}"
        raise InternalError(message, message=message) from error


def read_image(fd: int, vm: VmSpec) -> dict[str, Any]:
    """Blocking: call it in a thread. Raises DomainBuildFailed if it is none."""
    try:
        with os.fdopen(os.dup(fd), "rb") as file:
            record = json.loads(file.readline(_MAX))
        if set(record) == {*_FIELDS, "tells"}:
            return dict(record)
        message = "no image of the simulated host"
    except (OSError, ValueError, TypeError) as error:
        message = str(error)
    raise DomainBuildFailed(
        f"the guest of VM {vm.id} cannot be restored: {message}", vm=vm.id, function="restore", msg=message
    )


def restore_image(domain: SimDomain, record: dict[str, Any]) -> None:
    """The guest as it was."""
    for name in _FIELDS:
        setattr(domain, name, record[name])
    domain.manners = GuestManners(tells=record["tells"])
