"""Clients that people use drive a VM through its life: npm's xen-api (as Xen Orchestra does), Ansible's modules.

`packaging/ci/clients.py` installs them; `make setup` runs it.
"""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from component.harness.trial import PASSWORD, USER, trial

pytestmark = pytest.mark.timeout(300)
CLIENTS = Path(__file__).parent / "clients"
COLLECTIONS = Path(__file__).resolve().parents[3] / "build/clients"
SECONDS = 240.0


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with trial() as (address, _):
        yield address


async def said(*command: str, **environment: str) -> str:
    """What the program printed, which ended well."""
    program = shutil.which(command[0])
    assert program is not None, f"there is no {command[0]}; `make setup` installs it"
    process = await asyncio.create_subprocess_exec(
        *(program, *command[1:]),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environment},
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = output.decode(errors="replace")
    assert process.returncode == 0, text
    return text


@pytest.mark.parametrize("transport", ["json-rpc", "xml-rpc"])
async def test_xen_orchestras_library_drives_a_vm_through_its_life(address: str, transport: str) -> None:
    text = await said("node", str(CLIENTS / "life.mjs"), f"http://{USER}:{PASSWORD}@{address}/", transport)
    for step in ("hot plug a disk and a network card", "read its metrics", "snapshot it", "export it", "destroy it"):
        assert f"\n{step}" in text
    assert text.endswith("all as expected\n")


async def test_ansibles_modules_drive_a_vm_through_its_life(address: str) -> None:
    assert (COLLECTIONS / "ansible_collections").is_dir(), "Ansible's collection is missing; run `make setup`"
    playbook = str(Path(sys.executable).with_name("ansible-playbook"))
    variables = {"url": f"http://{address}/", "user": USER, "password": PASSWORD}
    with TemporaryDirectory() as home:
        text = await said(
            *(playbook, "-i", "localhost,", "-e", json.dumps(variables), str(CLIENTS / "life.yml")),
            ANSIBLE_COLLECTIONS_PATH=str(COLLECTIONS),
            ANSIBLE_HOME=home,
            ANSIBLE_NOCOLOR="true",
            LC_ALL="C.UTF-8",
        )
    assert "TASK [See that it has gone]" in text
    assert "failed=0" in text
