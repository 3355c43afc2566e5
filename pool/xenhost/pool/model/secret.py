"""secret: something that only some may read."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

SECRET: Final[Class] = declare(
    "secret",
    "Something that only some may read.",
    writer="pool-operator",
    calls="create destroy get_by_uuid get_record get_all get_all_records get_all_records_where",
    since="5.6",
    fields="""
    run uuid string: Its UUID.
    rw  value string: It.
    rw  other_config map string string = {}: Keys of clients and of features that have no field.
    """,
)
