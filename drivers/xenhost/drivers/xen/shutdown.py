"""Asking a guest to shut down: the handshake over control/shutdown, and its withdrawal.

We write the word; the guest acknowledges by emptying or removing the node, then acts. If it does not in time, or nobody
waits any more, the word is taken back in a transaction that fails if the guest takes it at that moment: so the guest
either acknowledged, or will never see the request.
"""

import asyncio
import errno
from typing import Final

import structlog

from xenhost.core.errors import NotImplementedHere, ShutdownNotAcknowledged
from xenhost.core.ids import DomId, VmId
from xenhost.core.vm import ShutdownReason
from xenhost.drivers.xen import paths
from xenhost.drivers.xen.fanout import Fanout
from xenhost.drivers.xen.hypercalls import Hypercalls
from xenhost.drivers.xen.tree import guest_writes
from xenhost.native import xen_types
from xenhost.native.xen_types import DomainInfo
from xenhost.native.xenctrl import Xenctrl, XenctrlError
from xenhost.native.xenstore import Batch, Transaction, Watch, Xenstore, XenstoreError

_log = structlog.get_logger()

_WORDS: Final = {
    ShutdownReason.POWEROFF: "poweroff",
    ShutdownReason.REBOOT: "reboot",
    ShutdownReason.SUSPEND: "suspend",
}
_CODES: Final = {
    ShutdownReason.POWEROFF: xen_types.ShutdownReason.POWEROFF,
    ShutdownReason.REBOOT: xen_types.ShutdownReason.REBOOT,
    ShutdownReason.SUSPEND: xen_types.ShutdownReason.SUSPEND,
}
_HVM_PARAM_CALLBACK_IRQ: Final = 0
"""Set by PV drivers of an HVM guest (xen/hvm/params.h)."""


class Shutdowns:
    """Requests to guests."""

    def __init__(self, xs: Xenstore, xen: Hypercalls, fanout: Fanout) -> None:
        self._xs = xs
        self._xen = xen
        self._fanout = fanout

    async def request(self, info: DomainInfo, vm: VmId, reason: ShutdownReason, ack_within: float) -> None:
        """See the port's request_shutdown. `info` is the domain now."""
        domid = DomId(info.domid)
        if reason not in _WORDS:
            raise NotImplementedHere(f"a guest cannot be asked to {reason}", function="request_shutdown")
        if info.shutdown:
            return
        if info.hvm and not await self._xen.run(Xenctrl.hvm_param, domid, _HVM_PARAM_CALLBACK_IRQ):
            await self._shut_down(domid, reason)
            return
        word, node = _WORDS[reason], paths.control_shutdown(domid)
        # Made writable first: a guest may remove the node, and could not acknowledge in one it may only read
        ask = Batch().mkdir(node).set_perms(node, guest_writes(domid)).write(node, word)
        async with self._xs.watch(node, limit=4) as watch:
            try:
                await self._xs.apply(ask)
                async with asyncio.timeout(ack_within):
                    await self._acknowledged(domid, watch)
            except TimeoutError:
                if await self._withdraw(domid):
                    raise ShutdownNotAcknowledged(
                        f"VM {vm} did not acknowledge the request to {word} within {ack_within:g} s",
                        vm=vm,
                    ) from None
            except asyncio.CancelledError:
                await self._withdraw_quietly(domid)
                raise

    async def _shut_down(self, domid: DomId, reason: ShutdownReason) -> None:
        try:
            await self._xen.run(Xenctrl.shutdown, domid, _CODES[reason])
        except XenctrlError as error:
            if error.errno != errno.ESRCH:
                raise

    async def _acknowledged(self, domid: DomId, watch: Watch) -> None:
        """Return when the guest took the request, has stopped, or is gone."""
        while True:
            news = self._fanout.news(domid)
            event = asyncio.ensure_future(anext(watch))
            try:
                untrusted = await self._xs.get(watch.path)
                if is_acknowledged(untrusted):
                    return
                info = await self._xen.run(Xenctrl.domain, domid)
                if info is None or info.shutdown or info.dying:
                    return
                await asyncio.wait((news, event), return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
                event.cancel()
                await asyncio.wait([event])

    async def _withdraw(self, domid: DomId) -> bool:
        """Take the request back. False if there is nothing to take back: the guest has acknowledged, or stopped."""
        node = paths.control_shutdown(domid)

        async def take_back(tx: Transaction) -> bool:
            if is_acknowledged(await tx.get(node)):
                return False
            # Emptied, not removed: the guest keeps the right to write it
            await tx.write(node, "")
            return True

        if not await self._xs.transact(take_back):
            return False
        info = await self._xen.run(Xenctrl.domain, domid)
        return info is not None and not info.shutdown and not info.dying

    async def _withdraw_quietly(self, domid: DomId) -> None:
        try:
            await asyncio.shield(self._withdraw(domid))
        except (XenstoreError, XenctrlError) as error:
            _log.warning("a request to shut down could not be withdrawn", domid=domid, error=str(error))


def is_acknowledged(untrusted: bytes | None) -> bool:
    """Whether the node says that the guest took the request: empty or absent. Any other text is no answer."""
    return not untrusted
