"""A host keeps its UUID."""

from pathlib import Path
from uuid import UUID

from kit.agent import SimHost
from xenhost.agent.identity import Identity


async def test_what_the_engine_keeps_is_what_the_host_is(tmp_path: Path) -> None:
    host = SimHost(tmp_path)
    agent = await host.start()
    kept = agent.engine.host_id
    await agent.close()
    assert Identity.read(host.folder).host_id == kept


def test_a_host_without_a_store_gets_a_new_uuid(tmp_path: Path) -> None:
    first = Identity.read(tmp_path).host_id
    assert UUID(first) != UUID(Identity.read(tmp_path).host_id)
    assert not list(tmp_path.iterdir())


def test_a_store_that_cannot_be_read_is_left_to_the_engine(tmp_path: Path) -> None:
    (tmp_path / "engine.db").write_text("not a database")
    made = Identity.read(tmp_path).host_id
    assert str(UUID(made)) == made
