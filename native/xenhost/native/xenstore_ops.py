"""What can be done with nodes, the same on a connection and inside a transaction."""

import errno
from collections.abc import Iterable, Sequence
from typing import Final

from xenhost.native.xenstore_errors import (
    BatchFailed,
    NoEntry,
    TooBig,
    XenstoreError,
    error_of,
)
from xenhost.native.xenstore_proto import Result
from xenhost.native.xenstore_types import Batch, Perm, as_bytes, perms_body, split_strings, strings
from xenhost.native.xs_wire import Op, Request

TREE_LIMIT: Final = 200_000
_PART_ATTEMPTS: Final = 16


class Operations:
    """Node operations. Paths are absolute, or relative to our own domain's home.

    All of them raise XenstoreError subclasses (NoEntry, AccessDenied, ...), InvalidRequest or
    TooBig before anything is sent if a path or size is illegal, and ConnectionLost if the
    connection goes before the answer came. A cancelled operation may or may not have taken
    effect; its late reply is swallowed.
    """

    async def run(self, requests: Sequence[Request]) -> list[Result]:
        """Send requests in order, pipelined; their results in the same order."""
        raise NotImplementedError

    async def run_paths(self, op: Op, paths: Sequence[str]) -> list[Result]:
        """Send one request of type `op` for each path; their results in the same order."""
        raise NotImplementedError

    async def spread(self, requests: Sequence[Request]) -> list[Result]:
        """Like run, for requests that do not depend on each other."""
        return await self.run(requests)

    async def spread_paths(self, op: Op, paths: Sequence[str]) -> list[Result]:
        """Like run_paths, for requests that do not depend on each other."""
        return await self.run_paths(op, paths)

    async def _one(self, op: Op, path: str | None, body: bytes = b"") -> bytes:
        (result,) = await self.run((Request(op, path, body),))
        if isinstance(result, XenstoreError):
            raise result
        return result

    # --- one node -------------------------------------------------------------------------

    async def read(self, path: str) -> bytes:
        """A node's value. Raises NoEntry."""
        return await self._one(Op.READ, path)

    async def read_str(self, path: str, *, errors: str = "replace") -> str:
        """A node's value as text; what is not UTF-8 is replaced, unless `errors` says else."""
        return (await self.read(path)).decode("utf-8", errors)

    async def get(self, path: str) -> bytes | None:
        """A node's value, None if there is no such node."""
        try:
            return await self.read(path)
        except NoEntry:
            return None

    async def get_str(self, path: str, *, errors: str = "replace") -> str | None:
        """A node's value as text, None if there is no such node."""
        value = await self.get(path)
        return None if value is None else value.decode("utf-8", errors)

    async def exists(self, path: str) -> bool:
        """Whether there is such a node."""
        return await self.get(path) is not None

    async def write(self, path: str, value: bytes | str) -> None:
        """Set a node's value, making it and its parents as needed. str is sent as UTF-8."""
        await self._one(Op.WRITE, path, as_bytes(value))

    async def mkdir(self, path: str) -> None:
        """Make an empty node and its parents as needed; no-op if it exists."""
        await self._one(Op.MKDIR, path)

    async def rm(self, path: str) -> None:
        """Remove a node and all below it; no-op if absent."""
        try:
            await self._one(Op.RM, path)
        except NoEntry:
            return

    async def get_perms(self, path: str) -> tuple[Perm, ...]:
        """A node's permissions; the first entry is the owner."""
        return _parse_perms(await self._one(Op.GET_PERMS, path), path)

    async def set_perms(self, path: str, perms: Iterable[Perm]) -> None:
        """Replace a node's permissions; the first entry becomes the owner."""
        await self._one(Op.SET_PERMS, path, perms_body(perms))

    async def ls(self, path: str) -> list[str]:
        """Names of a node's children, of any number and in no particular order."""
        try:
            return split_strings(await self._one(Op.DIRECTORY, path))
        except TooBig:
            return await self._ls_in_parts(path)

    async def _ls_in_parts(self, path: str) -> list[str]:
        """A directory that does not fit one reply; begun anew if it changes meanwhile."""
        for _ in range(_PART_ATTEMPTS):
            names: list[str] = []
            generation: str | None = None
            offset = 0
            while True:
                part = await self._one(Op.DIRECTORY_PART, path, strings(offset))
                found, _, listing = part.partition(b"\0")
                generation = generation or found.decode("ascii", "replace")
                if found.decode("ascii", "replace") != generation:
                    break
                # A list that ends here has one more NUL than names.
                done = listing.endswith(b"\0\0") or listing in (b"\0", b"")
                listing = listing.removesuffix(b"\0") if done else listing
                names += split_strings(listing)
                offset += len(listing)
                if done:
                    return names
        raise error_of(errno.EAGAIN, Op.DIRECTORY_PART.name, f"{path}: changes all the time")

    # --- many nodes -----------------------------------------------------------------------

    async def read_many(self, paths: Sequence[str]) -> list[bytes | XenstoreError | None]:
        """Values of many nodes, in order: None where there is no node, the error where another
        one came. Illegal paths raise at once, before anything is sent."""
        results = await self.spread_paths(Op.READ, paths)
        return [None if isinstance(result, NoEntry) else result for result in results]

    async def ls_many(self, paths: Sequence[str]) -> list[list[str] | XenstoreError | None]:
        """Children of many nodes, in order; None where there is no node."""
        listings: list[list[str] | XenstoreError | None] = []
        for path, result in zip(paths, await self.spread_paths(Op.DIRECTORY, paths), strict=True):
            if isinstance(result, bytes):
                listings.append(split_strings(result))
            elif isinstance(result, TooBig):
                try:
                    listings.append(await self._ls_in_parts(path))
                except NoEntry:
                    listings.append(None)
            else:
                listings.append(None if isinstance(result, NoEntry) else result)
        return listings

    async def write_many(self, items: Iterable[tuple[str, bytes | str]]) -> None:
        """Write many nodes, pipelined in order. Raises BatchFailed, naming all that failed."""
        await self._all([Request(Op.WRITE, path, as_bytes(value)) for path, value in items])

    async def rm_many(self, paths: Sequence[str]) -> None:
        """Remove many nodes with all below; absent ones count as removed. Raises BatchFailed."""
        _check(await self.run_paths(Op.RM, paths), removals=True)

    async def apply(self, batch: Batch) -> None:
        """Make the changes of a batch, pipelined in order. It is no transaction: others may see
        it half done, and if some fail the others stay. Raises BatchFailed, naming the failed."""
        await self._all(batch.requests)

    async def _all(self, requests: Sequence[Request]) -> None:
        if not requests:
            return
        results = await self.run(requests)
        kept: list[Result] = [
            b"" if request.op is Op.RM and isinstance(result, NoEntry) else result
            for request, result in zip(requests, results, strict=True)
        ]
        _check(kept)

    async def read_tree(self, path: str, *, limit: int = TREE_LIMIT) -> dict[str, bytes]:
        """Every node at and below `path`, as absolute path (or as `path` is) to value, parents
        before children. Read level by level; nodes that vanish meanwhile are left out. Raises
        NoEntry if there is no `path`, TooBig beyond `limit` nodes."""
        tree: dict[str, bytes] = {}
        level = [path]
        while level:
            if len(tree) + len(level) > limit:
                raise TooBig(errno.E2BIG, "read_tree", f"{path}: more than {limit} nodes")
            requests: list[Request] = []
            for node in level:
                requests += (Request(Op.READ, node), Request(Op.DIRECTORY, node))
            results = await self.spread(requests)
            below: list[str] = []
            for node, value, listing in zip(level, results[::2], results[1::2], strict=True):
                if isinstance(value, XenstoreError):
                    if isinstance(value, NoEntry) and tree:
                        continue
                    raise value
                tree[node] = value
                below += await self._children(node, listing)
            level = below
        return tree

    async def _children(self, node: str, listing: Result) -> list[str]:
        """Full paths of a node's children, from the reply to its DIRECTORY."""
        if isinstance(listing, bytes):
            if not listing:
                return []
            names = split_strings(listing)
        elif isinstance(listing, NoEntry):
            return []
        elif isinstance(listing, TooBig):
            try:
                names = await self._ls_in_parts(node)
            except NoEntry:
                return []
        else:
            raise listing
        prefix = "/" if node == "/" else f"{node}/"
        return [prefix + name for name in names]


def _check(results: Sequence[Result], *, removals: bool = False) -> None:
    """Raise BatchFailed if any result is an error."""
    failures = [
        (index, result)
        for index, result in enumerate(results)
        if isinstance(result, XenstoreError) and not (removals and isinstance(result, NoEntry))
    ]
    if failures:
        raise BatchFailed(failures, len(results))


def _parse_perms(untrusted: bytes, path: str) -> tuple[Perm, ...]:
    try:
        return tuple(map(Perm.parse, split_strings(untrusted)))
    except ValueError as error:
        detail = f"{path}: the daemon sent permissions {untrusted[:80]!r}"
        raise error_of(errno.EIO, Op.GET_PERMS.name, detail) from error
