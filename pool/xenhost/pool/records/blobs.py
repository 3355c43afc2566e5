"""Binary blobs: their records. What is in them goes over HTTP."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from xenhost.core.clock import Clock
from xenhost.pool.call import ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction

OWNERS: Final = ("pool", "VM", "host", "network", "SR")
MAX_BLOBS: Final = 10_000


class Blobs:
    """Answers for them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database: Final = database
        self._clock: Final = clock

    def answers(self) -> Mapping[str, Implementation]:
        """What to register."""
        return {
            "blob.create": self._create,
            "blob.destroy": self._destroy,
            **{f"{cls}.create_new_blob": self._of(cls) for cls in OWNERS},
        }

    async def _create(self, context: Context, mime_type: str, public: bool) -> Value:
        return await self._database.change(lambda t: self._make(t, mime_type, public))

    async def _destroy(self, context: Context, blob: Ref) -> None:
        await self._database.change(lambda t: t.delete("blob", blob))

    def _of(self, cls: str) -> Implementation:
        async def create_new(context: Context, owner: Ref, name: str, mime_type: str, public: bool) -> Value:
            def act(transaction: Transaction) -> Ref:
                blob = self._make(transaction, mime_type, public)
                transaction.add_to_map(cls, owner, "blobs", name, blob)
                return blob

            return await self._database.change(act)

        return create_new

    def _make(self, transaction: Transaction, mime_type: str, public: bool) -> Ref:
        if len(transaction.rows("blob")) >= MAX_BLOBS:
            raise ApiError("INTERNAL_ERROR", f"there are {MAX_BLOBS} blobs")
        now = datetime.fromtimestamp(self._clock.now(), UTC).replace(microsecond=0)
        fields: dict[str, Value] = {
            "mime_type": mime_type or "application/octet-stream",
            "public": public,
            "last_updated": now,
        }
        return transaction.create("blob", fields)
