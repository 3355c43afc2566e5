from pathlib import Path

from kit.pool_heart import heart
from xenhost.pool.call import Ref
from xenhost.pool.session.user_agents import MAX_AGENTS, UserAgents


async def test_clients_are_known_by_name_and_last_version(tmp_path: Path) -> None:
    async with heart(tmp_path) as found:
        here, other = await found.make("host"), await found.make("host")
        agents = UserAgents(lambda: here)
        agents.register(found.implementations)
        for text in ("xe/1", "XenAPI/2.0 (comment)", "xe/2", "curl", "", " x", "x" * 65, "/9"):
            agents.note(text)
        assert await found.call("host.get_tracked_user_agents", here) == {"xe": "2", "XenAPI": "2.0", "curl": ""}
        assert await found.call("host.get_tracked_user_agents", other) == {}
        for number in range(MAX_AGENTS - 1):
            agents.note(f"n{number}")
        kept = await found.call("host.get_tracked_user_agents", Ref(here))
        assert isinstance(kept, dict)
        assert len(kept) == MAX_AGENTS
        assert "xe" not in kept
        assert "curl" in kept
