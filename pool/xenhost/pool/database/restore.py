"""A database made of records that were read elsewhere, such as from a dump."""

import asyncio
from collections.abc import Iterable

from xenhost.pool.call import ApiError, Ref, Value
from xenhost.pool.database.dump import BadDump
from xenhost.pool.database.port import Row, Store
from xenhost.pool.database.tables import Tables
from xenhost.pool.schema.model import Model


async def restore(model: Model, store: Store, rows: Iterable[tuple[str, Ref, dict[str, Value]]]) -> int:
    """Fill an empty store; returns how many objects it has. Raises BadDump, and then it has none, and StoreFailed.

    Computed ends of relationships are made anew, references to what is not there become NULL_REF.
    """
    if await store.open():
        raise BadDump("the database is not empty")
    made = await asyncio.to_thread(encoded, model, rows)
    await store.put(made)
    return len(made)


def encoded(model: Model, rows: Iterable[tuple[str, Ref, dict[str, Value]]]) -> list[Row]:
    """What a store would hold. Blocks: for minutes, if there are many. Raises BadDump."""
    tables = Tables(model)
    lasting = []
    for cls, ref, fields in rows:
        if model.stored[cls].lasting:
            stored = tables.codecs[cls].stored
            lasting.append((cls, ref, {name: value for name, value in fields.items() if name in stored}))
    try:
        tables.load(lasting)
    except ApiError as error:
        raise BadDump(str(error)) from error
    return [
        Row(ref, cls, tables.codecs[cls].encode(record))
        for cls in model.stored
        for ref, record in tables.rows(cls).items()
    ]
