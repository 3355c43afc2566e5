"""Ceph's `rbd` and `ceph` commands for one pool. What they print comes from the cluster: untrusted."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from xenhost.core.storage_errors import SrBackendFailure, backend_failure
from xenhost.core.units import MIB
from xenhost.sm.command import CommandError, Commands, CommandTimeout
from xenhost.sm.datapath.image_server import settled

UNAVAILABLE: Final = 47
MISSING: Final = 115
_TIMEOUT: Final = 60.0
_AT_ONCE: Final = 4
"""Commands that run at the same time: each takes tens of MiB and much of a processor before it does anything."""
_MAX_OUTPUT: Final = 64 << 20
_NOT_FOUND: Final = 2
_BUSY: Final = 16
REQUEST_TIMEOUT: Final = 60
"""Seconds that reads and writes wait for a cluster that does not answer, before they fail; as with iSCSI and NFS."""
_REFUSED: Final = 13
_EXISTS: Final = 17
_BAD_KEY: Final = "handle_auth_bad_method"
"""In what Ceph's library logs when the monitor does not take the key; the programs then only say that they could not
connect."""


class ImageMissing(Exception):
    """There is no such image."""


class ImageBusy(Exception):
    """Somebody has it open, here or on another host."""


class ImageExists(Exception):
    """There is one of that name."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image of a pool."""

    name: str
    size: int


class Rbd:
    """One pool, as one user of the cluster. Raises SrBackendFailure 47, and what is above."""

    def __init__(self, commands: Commands, device_config: Mapping[str, str]) -> None:
        self._commands = commands
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self.pool = _word(device_config, "pool", True)
        self._user = _word(device_config, "user", False) or "admin"
        self._options = ["--id", self._user]
        if servers := _word(device_config, "server", False):
            self._options += ["-m", servers]
        if keyfile := _word(device_config, "keyfile", False):
            self._options += ["--keyfile", keyfile]

    async def images(self) -> tuple[Image, ...]:
        """All images, without their snapshots."""
        try:
            rows = await self._json("ls", "-l", "--format", "json", self.pool)
        except ImageMissing as error:
            raise self._no_pool() from error
        if not isinstance(rows, list):
            raise backend_failure(UNAVAILABLE, f"rbd's list of pool {self.pool} cannot be understood")
        return tuple(
            Image(row["image"], row["size"])
            for row in rows
            if isinstance(row, dict)
            and isinstance(row.get("image"), str)
            and isinstance(row.get("size"), int)
            and "snapshot" not in row
        )

    async def create(self, image: str, size: int) -> None:
        """An image of zeros; of whole MiB."""
        size_mib = str(-(-size // MIB))
        features = ("--image-feature", "layering,exclusive-lock")
        try:
            await self._change("create", "--size", size_mib, *features, self._of(image))
        except ImageMissing as error:
            raise self._no_pool() from error

    async def remove(self, image: str) -> None:
        """Raises ImageMissing, ImageBusy."""
        await self._change("rm", "--no-progress", self._of(image))

    async def resize(self, image: str, size: int) -> None:
        """Make it bigger."""
        await self._change("resize", "--no-progress", "--size", str(-(-size // MIB)), self._of(image))

    async def keep(self, image: str, key: str, value: str) -> None:
        """Keep a text with it."""
        await self._change("image-meta", "set", self._of(image), key, value)

    async def kept(self, image: str) -> Mapping[str, str]:
        """Its texts."""
        found = await self._json("image-meta", "list", "--format", "json", self._of(image))
        if not isinstance(found, dict):
            return {}
        return {key: value for key, value in found.items() if isinstance(value, str)}

    async def map(self, image: str, read_only: bool) -> str:
        """Have a block device of it. A writer has it for itself alone, over all hosts; raises ImageBusy."""
        mode = ("--read-only",) if read_only else ("--exclusive",)
        patience = ("--options", f"osd_request_timeout={REQUEST_TIMEOUT}")
        return (await self._change("map", *mode, *patience, self._of(image))).strip()

    async def unmap(self, path: str) -> None:
        """The opposite. Raises ImageBusy."""
        await self._change(
            "unmap", path, timeout=_TIMEOUT + REQUEST_TIMEOUT
        )  # what is not written yet may have to fail

    async def mapped(self) -> Mapping[str, str]:
        """Devices of the images of this pool that are mapped on this host."""
        rows = await self._json("showmapped", "--format", "json")
        each = rows.values() if isinstance(rows, dict) else rows if isinstance(rows, list) else ()
        return {
            str(row["name"]): str(row["device"])
            for row in each
            if isinstance(row, dict)
            and row.get("pool") == self.pool
            and row.get("snap") == "-"
            and str(row.get("device", "")).startswith("/dev/rbd")
        }

    async def space(self) -> tuple[int, int]:
        """Bytes that are used in the pool, and that still fit."""
        found = await self._json("df", "--format", "json", program="ceph")
        pools = found.get("pools") if isinstance(found, dict) else None
        for row in pools if isinstance(pools, list) else ():
            if isinstance(row, dict) and row.get("name") == self.pool:
                stats = row.get("stats")
                if isinstance(stats, dict):
                    used, free = stats.get("stored", 0), stats.get("max_avail", 0)
                    if isinstance(used, int) and isinstance(free, int):
                        return used, free
        raise self._no_pool()

    def _no_pool(self) -> SrBackendFailure:
        return backend_failure(UNAVAILABLE, f"the cluster has no pool {self.pool}")

    def _of(self, image: str) -> str:
        return f"{self.pool}/{image}"

    async def _change(self, *argv: str, timeout: float = _TIMEOUT) -> str:
        return await settled(self._run("rbd", *argv, timeout=timeout))

    async def _json(self, *argv: str, program: str = "rbd") -> object:
        """None: it printed nothing, as of the texts of an image that has none."""
        try:
            said = await self._run(program, *argv)
            return json.loads(said) if said.strip() else None
        except (ValueError, RecursionError) as error:
            raise backend_failure(UNAVAILABLE, f"{program} printed what cannot be understood") from error

    async def _run(self, program: str, *argv: str, timeout: float = _TIMEOUT) -> str:
        try:
            async with self._turn:
                result = await self._commands.run(
                    *(program, *self._options, *argv), timeout=timeout, check=False, max_output=_MAX_OUTPUT
                )
        except CommandTimeout as error:
            raise backend_failure(UNAVAILABLE, f"the Ceph cluster did not answer within {timeout:g} s") from error
        except CommandError as error:
            raise backend_failure(UNAVAILABLE, f"{error}; install the Debian package ceph-common") from error
        if result.status == 0:
            return result.text()
        said = result.complaint()
        if "kernel module" in said:
            raise backend_failure(UNAVAILABLE, "this kernel has no RBD (modprobe rbd)", said)
        if _BAD_KEY in said or result.status == _REFUSED:
            text = f"the Ceph cluster refuses user {self._user}: the key is wrong, or the user may not do this"
            raise backend_failure(UNAVAILABLE, text, said)
        for status, cls in ((_NOT_FOUND, ImageMissing), (_BUSY, ImageBusy), (_EXISTS, ImageExists)):
            if result.status == status and program == "rbd":
                raise cls(said)
        if "Read-only file system" in said or "EROFS" in said:
            raise ImageBusy(said)
        raise backend_failure(UNAVAILABLE, f"{program} {argv[0]} failed: {said or result.status}", said)


def _word(untrusted_config: Mapping[str, str], key: str, required: bool) -> str:
    """A value that is no option of a command."""
    text = untrusted_config.get(key, "").strip()
    if required and not text:
        raise backend_failure(MISSING, f"device-config:{key} is missing")
    if text.startswith("-") or any(letter.isspace() or letter in "@\0" for letter in text):
        raise backend_failure(MISSING, f"device-config:{key}: {text!r:.80} cannot be right")
    return text
