"""user: user."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

USER: Final[Class] = declare(
    "user",
    "User.",
    writer="pool-admin",
    calls="create destroy get_by_uuid get_record",
    deprecated=True,
    fields="""
    run uuid string: Its UUID.
    ins short_name string: Short name.
    rw  fullname string: Fullname.
    rw  other_config map string string = {} @5.0: Keys of clients and of features that have no field.
    """,
)
