"""Disks that hold the database of a pool, with all its secrets: not for those who only change VMs."""

from pathlib import Path

import pytest

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master
from component.pool.test_vms import RECORD, sr, vbd_record, vdi_record
from xenhost.pool.call import NULL_REF, ApiError, Context, Ref, Role

VM_ADMIN = Context(session=Ref("OpaqueRef:s"), user="eve", roles=frozenset({Role.VM_ADMIN}))
POOL_ADMIN = Context(session=Ref("OpaqueRef:s"), user="adam", roles=frozenset({Role.POOL_ADMIN}))


async def test_a_vm_admin_does_not_come_at_the_database_of_a_pool(
    master: Master, agent: HostAgent, tmp_path: Path
) -> None:
    place = await sr(master, tmp_path / "sr")
    secret = await master.ref("VDI.create", vdi_record(place) | {"type": "metadata"})
    own = await master.ref("VDI.create", vdi_record(place))
    vm = await master.ref("VM.create", RECORD)
    drive = await master.ref("VBD.create", vbd_record(vm, NULL_REF, type="CD", empty=True))
    for method, *params in (
        ("VBD.create", vbd_record(vm, secret)),
        ("VBD.insert", drive, secret),
        ("VDI.copy", secret, NULL_REF, NULL_REF, own),
        ("VDI.copy", own, NULL_REF, NULL_REF, secret),
        ("VDI.get_nbd_info", secret),
    ):
        with pytest.raises(ApiError) as refused:
            await master.dispatcher.call(VM_ADMIN, str(method), params)
        assert refused.value.as_xenapi() == ["VDI_INCOMPATIBLE_TYPE", secret, "metadata"], method
    assert await master.dispatcher.call(POOL_ADMIN, "VDI.copy", (secret, NULL_REF, NULL_REF, own)) == own
