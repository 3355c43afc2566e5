"""The processes that ask PAM: here with helpers that behave, hang, crash and talk nonsense, and with PAM itself."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from xenhost.pool.session.authenticator import CannotAuthenticate, FixedUsers, PasswordWrong
from xenhost.pool.session.pam import HELPER, Pam

BEHAVES = """
import json, sys
for line in sys.stdin:
    ask = json.loads(line)
    print(json.dumps({"error": "" if ask["password"] == "right" else ask["password"]}), flush=True)
"""


def helper(script: str) -> tuple[str, ...]:
    return sys.executable, "-c", script


@pytest.fixture
async def pam() -> AsyncIterator[Pam]:
    made = Pam(frozenset({"root"}), helper=helper(BEHAVES))
    yield made
    await made.close()


async def test_what_the_helper_says_is_what_happens_and_one_helper_serves_again(pam: Pam) -> None:
    await pam.authenticate("root", "right")
    with pytest.raises(PasswordWrong):
        await pam.authenticate("root", "wrong")
    with pytest.raises(CannotAuthenticate, match="no module"):
        await pam.authenticate("root", "no module")
    await pam.change_password("root", "right", "new")
    assert len(pam._idle) == 1


@pytest.mark.parametrize(
    ("user", "password"),
    [("eve", "right"), ("root\0", "right"), ("root", "right\0x"), ("root", "right\n"), ("root", "x" * 5000)],
)
async def test_other_users_and_what_pam_could_misread_are_not_even_asked(pam: Pam, user: str, password: str) -> None:
    with pytest.raises(PasswordWrong):
        await pam.authenticate(user, password)
    assert not pam._idle


@pytest.mark.parametrize(
    "script", ["import time; time.sleep(60)", "import sys; sys.exit(1)", "print('nonsense', flush=True)"]
)
async def test_a_helper_that_hangs_dies_or_talks_nonsense_is_ended(script: str) -> None:
    pam = Pam(frozenset({"root"}), helper=helper(script), seconds=1.0)
    with pytest.raises(CannotAuthenticate):
        await pam.authenticate("root", "right")
    assert not pam._idle


async def test_logins_at_once_share_a_few_helpers(pam: Pam) -> None:
    await asyncio.gather(*(pam.authenticate("root", "right") for _ in range(20)))
    assert 1 <= len(pam._idle) <= 4


async def test_the_real_helper_asks_pam_and_a_wrong_password_is_wrong() -> None:
    pam = Pam(None, service="other", helper=HELPER)
    try:
        with pytest.raises(PasswordWrong):
            await pam.authenticate("root", "certainly not this")
    finally:
        await pam.close()


@pytest.mark.skipif(os.getuid() != 0 or not Path("/etc/pam.d").is_dir(), reason="installs a PAM service: needs root")
async def test_the_real_helper_lets_in_whom_pam_lets_in() -> None:
    service = Path("/etc/pam.d/xenhost-test")
    service.write_text("auth required pam_permit.so\naccount required pam_permit.so\n")
    pam = Pam(None, service=service.name, helper=HELPER)
    try:
        await pam.authenticate("root", "whatever")
    finally:
        await pam.close()
        service.unlink()


async def test_fixed_users_know_their_passwords_and_may_change_them() -> None:
    users = FixedUsers({"root": "secret"})
    await users.authenticate("root", "secret")
    for user, password in (("root", "other"), ("eve", "secret"), ("eve", "")):
        with pytest.raises(PasswordWrong):
            await users.authenticate(user, password)
    await users.change_password("root", "secret", "new")
    await users.authenticate("root", "new")
