"""Logging in to iSCSI targets and out again, through open-iscsi. Every wait is bounded and ends when it can."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from xenhost.core.storage_errors import SrBackendFailure, backend_failure
from xenhost.sm.command import CommandError, CommandTimeout, Result
from xenhost.sm.context import SmContext
from xenhost.sm.datapath.image_server import settled
from xenhost.sm.iscsi.config import ANY, IscsiConfig
from xenhost.sm.iscsi.output import Portal, Target, discovered
from xenhost.sm.iscsi.sessions import Session, Users, expected_disks, sessions
from xenhost.sm.scsi import sysfs

DEVICE: Final = 67
LOGIN: Final = 68
LOGOUT: Final = 69
DAEMON: Final = 71
DISCOVERY: Final = 83
DNS: Final = 140
TARGET: Final = 141
NO_LUN: Final = 87

_QUICK: Final = 15.0
_CONNECT: Final = 5.0
_LOGIN_TIMEOUT: Final = 45.0
_DEVICE_TIMEOUT: Final = 20.0
_POLL: Final = 0.05
_AGAIN: Final = 45.0
"""Seconds after which portals that are missing are tried again."""
_REGAIN: Final = 30.0
_AT_ONCE: Final = 64
"""Connections: how many portals there are, a server says."""
_EXISTS: Final = 15
_NOTHING: Final = 21
_NO_DAEMON: Final = (18, 20)
_AUTHENTICATION: Final = 24
_SECRETS: Final = "node.session.auth"


class Initiator:
    """This host as an iSCSI initiator. Sessions are shared by the SRs that need them, and found again."""

    def __init__(self, context: SmContext, sys: Path = sysfs.SYS) -> None:
        self._context = context
        self._sys = sys
        self._users = Users(context.run_dir / "iscsi")
        self._known: dict[str, tuple[Target, ...] | None] = {}
        """By user: what its servers name; None: some did not answer."""
        self._tried: dict[str, float] = {}
        """By user: when portals were tried last."""

    async def discover(self, config: IscsiConfig) -> tuple[Target, ...]:
        """The targets of the first server that answers. Raises SrBackendFailure 71, 83, 140, 141."""
        error: SrBackendFailure | None = None
        for host in config.hosts:
            try:
                async with self._locked():
                    return await self._discover(await _address(host, config.port), config)
            except SrBackendFailure as failure:
                error = failure
        raise error or backend_failure(TARGET, "there is no iSCSI server to ask")

    async def targets(self, config: IscsiConfig) -> tuple[str, ...]:
        """The names of the targets that a configuration means."""
        if config.iqn != ANY:
            return (config.iqn,)
        return tuple(dict.fromkeys(target.iqn for target in await self.discover(config)))

    async def use(self, config: IscsiConfig, user: str) -> tuple[str, ...]:
        """Have sessions to the targets of a configuration for `user`; answers the targets. No-op if there are.

        Raises SrBackendFailure 68, 71, 140; then there is no session more than before.
        """
        several = config.multipathing or config.multihomed or config.targets
        found = await self._portals(config, user) if several else ()
        iqns = tuple(dict.fromkeys(each.iqn for each in found)) if found and config.iqn == ANY else ()
        iqns = iqns or await self.targets(config)
        async with self._locked():
            try:
                await self._use_some(config, iqns, user, found)
            except BaseException:
                await settled(self._release(user))
                raise
        return iqns

    async def held(self, user: str) -> tuple[str, ...]:
        """The targets that `user` has sessions to."""
        return await asyncio.to_thread(self._users.held, user)

    async def seen(self, config: IscsiConfig, user: str) -> int:
        """How many sessions `user` has, logged in, after a try at portals that were down: what fails is logged.

        Takes half a minute and one login at most. Cancelled: a login that has begun comes to its end first.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REGAIN):
                await self._regain(config, user)
        iqns = await self.held(user)
        return sum(1 for each in await self._sessions() if each.iqn in iqns and each.logged_in)

    async def release(self, user: str) -> None:
        """`user` needs them no more; the sessions that nobody does are ended, but for those that we did not begin."""
        async with self._locked():
            await settled(self._release(user))

    async def disks(self, iqns: tuple[str, ...]) -> tuple[sysfs.Disk, ...]:
        """The disks of the sessions to some targets, after a fresh look for new ones."""
        for session in await self._sessions():
            if session.iqn in iqns and session.logged_in:
                await self._adm("-m", "session", "-r", str(session.number), "--rescan", timeout=_LOGIN_TIMEOUT)
                deadline = self._context.clock.monotonic() + _DEVICE_TIMEOUT
                while await asyncio.to_thread(expected_disks, self._sys, session.number):
                    if self._context.clock.monotonic() > deadline:
                        break
                    await self._context.clock.sleep(_POLL)
        return await self.known_disks(iqns)

    async def disk(self, iqns: tuple[str, ...], scsi_id: str) -> sysfs.Disk:
        """The disk with that id, as soon as it is there. Raises SrBackendFailure 67."""
        deadline = self._context.clock.monotonic() + _DEVICE_TIMEOUT
        looked = False
        while True:
            for disk in await self.known_disks(iqns):
                if disk.scsi_id == scsi_id:
                    return disk
            if self._context.clock.monotonic() > deadline:
                raise backend_failure(DEVICE, f"targets {', '.join(iqns)} have no LUN with SCSI id {scsi_id!r:.80}")
            if not looked:
                looked = True
                await self.disks(iqns)  # A session that was there before does not know of new LUNs.
            else:
                await self._context.clock.sleep(_POLL)

    async def known_disks(self, iqns: tuple[str, ...]) -> tuple[sysfs.Disk, ...]:
        """The disks that are there by now."""
        every = await asyncio.to_thread(sysfs.disks, self._sys)
        return tuple(disk for disk in every if disk.target in iqns)

    async def _use_some(self, config: IscsiConfig, iqns: Sequence[str], user: str, found: Sequence[Target]) -> None:
        """All targets; where the configuration means several ways, one at least."""
        failures = []
        for iqn in iqns:
            try:
                await self._use(config, iqn, user, [each.portal for each in found if each.iqn == iqn])
            except SrBackendFailure as error:
                if not found:
                    raise
                self._context.log.warning("iscsi.target_left_out", target=iqn, error=str(error))
                failures.append(error)
        if failures and len(failures) == len(iqns):
            raise failures[0]

    async def _use(self, config: IscsiConfig, iqn: str, user: str, portals: Sequence[Portal]) -> None:
        """By portals that answer: all, or without multipathing one; if none does, by the first server that does."""
        there = await self._marked(config, iqn, user)
        if there and not config.multipathing:
            return  # If it is lost at the moment, the daemon logs in again by itself.
        if await self._use_each(config, iqn, portals) or there:
            return
        error: SrBackendFailure | None = None
        for host in config.hosts:
            try:
                if not await _answers(portal := await _address(host, config.port)):
                    raise backend_failure(LOGIN, f"{portal} does not answer")
                await self._login(iqn, portal, config)
            except SrBackendFailure as failure:
                error = failure
            else:
                return
        raise error or backend_failure(LOGIN, f"there is no server for target {iqn}")

    async def _marked(self, config: IscsiConfig, iqn: str, user: str) -> list[Session]:
        """That `user` uses the target; the sessions to it that there are. Raises SrBackendFailure 68."""
        there = [session for session in await self._sessions() if session.iqn == iqn]
        await asyncio.to_thread(self._users.add, iqn, user, bool(there))
        if there and config.local_iqn and config.local_iqn not in [session.initiator for session in there]:
            name = there[0].initiator
            raise backend_failure(LOGIN, f"target {iqn} is in use by this host as {name}, not {config.local_iqn}")
        return there

    async def _regain(self, config: IscsiConfig, user: str) -> None:
        """Log in by the portals that gave no session until now, and answer."""
        if self._context.clock.monotonic() < self._tried.get(user, 0.0) + _AGAIN:
            return
        known = self._known.get(user)
        if known is not None and not await self._missing(known):
            return
        missing = await self._missing(await self._portals(config, user))
        for target, answers in zip(missing, await _answering([each.portal for each in missing]), strict=True):
            if answers:
                await settled(self._regain_one(config, target, user))

    async def _regain_one(self, config: IscsiConfig, target: Target, user: str) -> None:
        async with self._locked():
            if not await self.held(user):
                return  # It was released meanwhile.
            try:
                await self._marked(config, target.iqn, user)
            except SrBackendFailure as error:
                self._left_out(target.iqn, target.portal, error)
                return
            if await self._use_each(config, target.iqn, [target.portal]):
                self._context.log.info("iscsi.portal_regained", target=target.iqn, portal=str(target.portal))

    async def _missing(self, targets: Sequence[Target]) -> list[Target]:
        """Those of them that there is no session by."""
        there = {(session.iqn, session.host, session.port) for session in await self._sessions()}
        return [each for each in targets if (each.iqn, each.portal.host, each.portal.port) not in there]

    async def _portals(self, config: IscsiConfig, user: str) -> tuple[Target, ...]:
        """What all servers that answer name, of what the configuration means."""
        if config.targets:
            every: list[tuple[Target, ...] | None] = [config.targets]
        else:
            every = await asyncio.gather(*(self._named_by(host, config) for host in config.hosts))
        named = dict.fromkeys(target for targets in every for target in targets or ())
        found = tuple(target for target in named if config.iqn in (ANY, target.iqn))
        self._known[user] = None if None in every else found
        self._tried[user] = self._context.clock.monotonic()
        return found

    async def _named_by(self, host: str, config: IscsiConfig) -> tuple[Target, ...] | None:
        """What one server names; None: it does not answer."""
        try:
            if await _answers(portal := await _address(host, config.port)):
                async with self._locked():
                    found = await self._discover(portal, config)
                return tuple(each for each in found if config.multihomed or each.portal.host == portal.host)
        except SrBackendFailure as error:
            self._context.log.warning("iscsi.no_discovery", server=host, error=str(error))
        return None

    async def _use_each(self, config: IscsiConfig, iqn: str, portals: Sequence[Portal]) -> int:
        """A session by each portal that has none and answers, without multipathing by one; how many were begun."""
        missing = [each.portal for each in await self._missing([Target(portal, iqn) for portal in portals])]
        begun = 0
        for portal, answers in zip(missing, await _answering(missing), strict=True):
            try:
                if not answers:
                    raise backend_failure(LOGIN, f"{portal} does not answer")
                await self._login(iqn, portal, config)
                begun += 1
                if not config.multipathing:
                    break
            except SrBackendFailure as error:
                self._left_out(iqn, portal, error)
        return begun

    def _left_out(self, iqn: str, portal: Portal, error: SrBackendFailure) -> None:
        self._context.log.warning("iscsi.portal_left_out", target=iqn, portal=str(portal), error=str(error))

    async def _login(self, iqn: str, portal: Portal, config: IscsiConfig) -> None:
        node = ("-m", "node", "-T", iqn, "-p", str(portal), *await self._named(config))
        if (await self._run(*node, timeout=_QUICK)).status:
            await self._adm(*node, "-o", "new")  # Beside a record that a discovery left, it would make a broken one.
        chap = config.chap
        settings = {
            "node.startup": "manual",
            "node.session.timeo.replacement_timeout": str(config.replacement_timeout),
            "node.session.initial_login_retry_max": "2",
            "node.conn[0].timeo.login_timeout": "10",
            f"{_SECRETS}.authmethod": "CHAP" if chap.user else "None",
        }
        if chap.user:
            settings |= {f"{_SECRETS}.username": chap.user, f"{_SECRETS}.password": chap.password}
        if chap.incoming_user:
            settings |= {
                f"{_SECRETS}.username_in": chap.incoming_user,
                f"{_SECRETS}.password_in": chap.incoming_password,
            }
        for name, value in settings.items():
            await self._adm(*node, "-o", "update", "-n", name, "-v", value)
        result = await self._run(*node, "--login", timeout=_LOGIN_TIMEOUT)
        if result.status in (0, _EXISTS):
            return
        await self._adm(*node, "-o", "delete", check=False)
        if result.status == _AUTHENTICATION:
            raise backend_failure(LOGIN, f"target {iqn} refused the login: its CHAP user or password is another one")
        raise backend_failure(LOGIN, f"target {iqn} at {portal} cannot be logged in to: {result.complaint()}")

    async def _release(self, user: str) -> None:
        self._known.pop(user, None)
        self._tried.pop(user, None)
        for iqn in await asyncio.to_thread(self._users.remove, user):
            await self._adm("-m", "node", "-T", iqn, "--logout", check=False, timeout=_LOGIN_TIMEOUT)
            await self._adm("-m", "node", "-T", iqn, "-o", "delete", check=False)

    async def _named(self, config: IscsiConfig) -> tuple[str, ...]:
        """What has commands use the name that was asked for: open-iscsi keeps it with an `iface`."""
        if not config.local_iqn:
            return ()
        name = f"xenhost-{sha256(config.local_iqn.encode()).hexdigest()[:16]}"
        iface = ("-m", "iface", "-I", name)
        if (await self._run(*iface, timeout=_QUICK)).status:
            await self._adm(*iface, "-o", "new")
        await self._adm(*iface, "-o", "update", "-n", "iface.initiatorname", "-v", config.local_iqn)
        return ("-I", name)

    async def _discover(self, portal: Portal, config: IscsiConfig) -> tuple[Target, ...]:
        chap, named = config.chap, await self._named(config)
        asked = ("-m", "discovery", "-t", "sendtargets", "-p", str(portal), *named, "-o", "nonpersistent")
        if not chap.user:
            return self._found(portal, await self._run(*asked, timeout=_LOGIN_TIMEOUT))
        record = ("-m", "discoverydb", "-t", "sendtargets", "-p", str(portal))
        auth = "discovery.sendtargets.auth"
        settings = {f"{auth}.authmethod": "CHAP", f"{auth}.username": chap.user, f"{auth}.password": chap.password}
        await self._adm(*record, "-o", "new")
        try:
            for name, value in settings.items():
                await self._adm(*record, "-o", "update", "-n", name, "-v", value)
            result = await self._run(*record, *named, "--discover", timeout=_LOGIN_TIMEOUT)
            if result.status not in (0, _NOTHING):
                # Most targets ask for a password at the login only.
                result = await self._run(*asked, timeout=_LOGIN_TIMEOUT)
            return self._found(portal, result)
        finally:
            await self._adm(*record, "-o", "delete", check=False)

    def _found(self, portal: Portal, result: Result) -> tuple[Target, ...]:
        if result.status == _NOTHING:
            return ()
        if result.status:
            raise backend_failure(TARGET, f"the iSCSI server {portal} does not answer: {result.complaint()}")
        return discovered(result.text())

    async def _sessions(self) -> tuple[Session, ...]:
        return await asyncio.to_thread(sessions, self._sys)

    @contextlib.asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        while (lock := self._users.try_lock()) is None:  # in no thread: one that is cancelled would keep the lock
            await self._context.clock.sleep(_POLL)
        try:
            yield
        finally:
            os.close(lock)

    async def _adm(self, *argv: str, check: bool = True, timeout: float = _QUICK) -> None:
        result = await self._run(*argv, timeout=timeout)
        if check and result.status:
            raise backend_failure(LOGIN, f"iscsiadm {argv[1]} failed: {result.complaint()}")

    async def _run(self, *argv: str, timeout: float) -> Result:
        try:
            result = await self._context.commands.run(
                "iscsiadm", *argv, timeout=timeout, check=False, env={"LC_ALL": "C"}
            )
        except CommandTimeout as error:
            raise backend_failure(LOGIN, f"the iSCSI server did not answer within {timeout:g} s") from error
        except CommandError as error:
            raise backend_failure(DAEMON, f"{error}; install open-iscsi") from error
        if result.status in _NO_DAEMON:
            raise backend_failure(DAEMON, "the iSCSI daemon does not run: start iscsid (systemctl start iscsid)")
        return result


async def _answering(portals: Sequence[Portal]) -> list[bool]:
    limit = asyncio.Semaphore(_AT_ONCE)

    async def asked(portal: Portal) -> bool:
        async with limit:
            return await _answers(portal)

    return await asyncio.gather(*map(asked, portals))


async def _answers(portal: Portal) -> bool:
    """Does anything listen there? A login takes much longer to find out."""
    try:
        async with asyncio.timeout(_CONNECT):
            _, writer = await asyncio.open_connection(portal.host, portal.port)
    except OSError:
        return False
    writer.close()
    return True


async def _address(host: str, port: int) -> Portal:
    """The address of a server by number: a session is known by that."""
    try:
        async with asyncio.timeout(_QUICK):
            found = await asyncio.get_running_loop().getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (TimeoutError, OSError, UnicodeError) as error:
        raise backend_failure(DNS, f"{host} is not the name of a server") from error
    return Portal(str(found[0][4][0]), port)
