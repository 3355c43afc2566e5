"""user: A local user, in old releases."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

USER: Final[Class] = declare(
    "user",
    "A local user, in old releases.",
    writer="pool-admin",
    calls="create destroy get_by_uuid get_record",
    deprecated=True,
    fields="""
    run uuid string: Its UUID.
    ins short_name string: His short name.
    rw  fullname string: His full name.
    rw  other_config map string string = {} @5.0: Keys of clients and of features that have no field.
    """,
)
