"""A host keeps its UUID."""

from pathlib import Path
from uuid import UUID

from kit.agent import SimHost
from xenhost.agent.identity import host_identity


async def test_what_the_engine_keeps_is_what_the_host_is(tmp_path: Path) -> None:
    host = SimHost(tmp_path)
    agent = await host.start()
    kept = agent.engine.host_id
    await agent.close()
    assert host_identity(host.folder) == kept


def test_a_host_without_a_store_gets_a_new_uuid(tmp_path: Path) -> None:
    first = host_identity(tmp_path)
    assert UUID(first) != UUID(host_identity(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_store_that_cannot_be_read_is_left_to_the_engine(tmp_path: Path) -> None:
    (tmp_path / "engine.db").write_text("not a database")
    made = host_identity(tmp_path)
    assert str(UUID(made)) == made
