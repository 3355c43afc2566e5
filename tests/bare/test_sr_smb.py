"""SRs of type `smb` in a real dom0, on its own Samba."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bare.sr_ground import grounded, run
from bare.sr_servers import file_system, smb_server
from contract.storage import Promise, in_dom0, keep, name_of
from contract.storage_ground import StorageGround
from xenhost.core.storage import SrSpec
from xenhost.core.storage_errors import SrBackendFailure
from xenhost.sm.drivers.smb import SmbDriver

pytestmark = pytest.mark.timeout(600)
CONFIG = {"server": "//127.0.0.1/srs", "username": "root", "password": "s3cret,=word"}


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[StorageGround]:
    run("modprobe", "cifs")
    with file_system(tmp_path) as path, smb_server(tmp_path / "samba", path):
        async with grounded(tmp_path, SmbDriver, lambda: CONFIG) as ground:
            yield ground


@pytest.mark.parametrize(
    "promise",
    in_dom0(
        "a_destroyed_sr_is_gone_and_its_place_is_free",
        "what_was_written_is_read_after_all_was_let_go_of",
        "an_active_vdi_grows",
        "upkeep_while_a_guest_writes_loses_nothing",
        "changed_blocks_are_known_after_the_data_is_gone",
    ),
    ids=name_of,
)
async def test_an_smb_sr_promises_that(promise: Promise, ground: StorageGround) -> None:
    await keep(promise, ground)


async def test_a_wrong_password_is_refused_and_never_shown(ground: StorageGround) -> None:
    spec = ground.spec()
    with pytest.raises(SrBackendFailure) as refused:
        await ground.driver.create(SrSpec(spec.id, "smb", {**CONFIG, "password": "wrong-and-secret"}))
    assert refused.value.number == 111
    assert "wrong-and-secret" not in str(refused.value)


async def test_a_probe_finds_the_srs_of_a_share(ground: StorageGround) -> None:
    spec, _ = await ground.made()
    assert (await ground.driver.probe({}, {})).missing == "server"
    report = await ground.driver.probe(CONFIG, {})
    assert [entry.sr for entry in report.entries] == [spec.id]
