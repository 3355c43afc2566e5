import asyncio

import pytest
import structlog

from kit.clock import FakeClock
from kit.pool_wire import Watched
from xenhost.pool.call import ApiError, Context
from xenhost.pool.session.authenticator import MAX_NAME, PasswordWrong
from xenhost.pool.session.brakes import FREE, Brakes
from xenhost.pool.session.directory import NoDirectory
from xenhost.pool.session.login import CHECKED, WAITING, Logins, address_of
from xenhost.pool.session.table import SessionLimits, SessionTable


class Slow:
    """Takes until it is told; knows one password."""

    def __init__(self) -> None:
        self.asked = 0
        self.go = asyncio.Event()

    async def authenticate(self, user: str, password: str) -> None:
        self.asked += 1
        await self.go.wait()
        if password != "right":
            raise PasswordWrong

    async def change_password(self, user: str, old: str, new: str) -> None:
        await self.authenticate(user, old)


class Door:
    def __init__(self) -> None:
        self.clock = FakeClock(auto=False)
        self.brakes = Brakes()
        self.users = Slow()
        self.sessions = SessionTable(self.clock, SessionLimits(), Watched())
        self.logins = Logins(self.sessions, self.users, NoDirectory(), self.brakes, self.clock, structlog.get_logger())

    def try_it(self, user: str, password: str, address: str = "192.0.2.1") -> asyncio.Task[object]:
        context = Context(client=f"{address} tests")
        return asyncio.create_task(self.logins.login_with_password(context, user, password))


async def turn() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_name_that_is_too_long_is_refused_and_nothing_of_it_is_kept() -> None:
    door = Door()
    with pytest.raises(ApiError, match="SESSION_AUTHENTICATION_FAILED"):
        await door.try_it("a" * (MAX_NAME + 1), "wrong")
    assert door.users.asked == 0
    assert not door.brakes._records
    assert not door.brakes._under_way


async def test_guesses_side_by_side_are_not_looked_at_side_by_side() -> None:
    door = Door()
    guesses = [door.try_it("root", str(number)) for number in range(30)]
    await turn()
    assert door.users.asked == FREE + 1
    door.users.go.set()
    for _ in range(100):
        await turn()
        door.clock.advance(1)
    found = await asyncio.gather(*guesses, return_exceptions=True)
    assert all(isinstance(each, ApiError) for each in found)
    assert door.users.asked < 12
    assert not door.brakes._under_way


async def test_those_who_wait_for_their_turn_go_on_when_one_of_them_was_right() -> None:
    door = Door()
    tries = [door.try_it("root", "right") for _ in range(FREE + 4)]
    await turn()
    assert door.users.asked == FREE + 1
    door.users.go.set()
    await turn()
    door.clock.advance(1)
    await turn()
    assert len(await asyncio.wait_for(asyncio.gather(*tries), 10)) == len(door.sessions)


async def test_more_passwords_than_pam_can_look_at_wait_and_too_many_are_refused() -> None:
    door = Door()
    tries = [
        door.try_it(f"user{number}", "right", f"192.0.{number >> 8}.{number & 255}")
        for number in range(CHECKED + WAITING + 5)
    ]
    await turn()
    assert door.users.asked == CHECKED
    assert [number for number, each in enumerate(tries) if each.done()] == list(range(CHECKED + WAITING, len(tries)))
    door.users.go.set()
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(each, ApiError) for each in found) == 5
    assert not door.brakes._records


async def test_a_hundred_logins_of_one_client_at_once_all_succeed() -> None:
    door = Door()
    tries = [door.try_it("root", "right") for _ in range(100)]
    await turn()
    assert door.users.asked == FREE + 1
    door.users.go.set()
    await turn()
    door.clock.advance(1)
    assert len(await asyncio.wait_for(asyncio.gather(*tries), 10)) == 100
    assert not door.brakes._under_way


async def test_of_a_hundred_guesses_at_once_few_are_looked_at_and_most_are_refused_soon() -> None:
    door = Door()
    guesses = [door.try_it("root", str(number)) for number in range(100)]
    await turn()
    door.users.go.set()
    await turn()
    door.clock.advance(1)
    await turn()
    assert sum(each.done() for each in guesses) > 90
    assert door.users.asked <= FREE + 2
    for _ in range(100):
        await turn()
        door.clock.advance(1)
    await asyncio.gather(*guesses, return_exceptions=True)
    assert door.users.asked < 12


async def test_one_that_is_cancelled_is_no_attempt_any_more() -> None:
    door = Door()
    trying = door.try_it("root", "right")
    await turn()
    trying.cancel()
    await asyncio.gather(trying, return_exceptions=True)
    assert not door.brakes._under_way
    assert not door.brakes._records


def test_all_addresses_of_one_ipv6_network_are_one_client() -> None:
    def counted(address: str) -> str:
        return address_of(Context(client=f"{address} agent"))

    assert counted("2001:db8:0:1::5") == counted("2001:db8::1:ffff:0:0:9") != counted("2001:db8:0:2::5")
    assert counted("fe80::1%eth0") == counted("fe80::2%eth0")
    assert counted("192.0.2.1") == "192.0.2.1"
    assert counted("local") == "local"
    assert counted("not:an:address") == "not:an:address"
