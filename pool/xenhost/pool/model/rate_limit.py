"""Rate_limit: how much clients may call."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

RATE_LIMIT: Final[Class] = declare(
    "Rate_limit",
    "How much clients may call.",
    writer="pool-admin",
    calls="create destroy get_by_uuid get_record get_all get_all_records get_all_records_where",
    since="26.17.0",
    fields="""
    run uuid string @26.17.0: Its UUID.
    rw  name_label string = "" @26.17.0: Its name, for people.
    rw  name_description string = "" @26.17.0: Notes, for people.
    run callers set ref Caller <> Caller.rate_limit @26.17.0: Clients under it.
    ins burst_size float = 0.0 @26.17.0: How much at once.
    ins fill_rate float = 0.0 @26.17.0: How much each second.
    """,
    messages="""
    set_fill_rate(self ref Rate_limit, value float)
        pool pool-admin @26.17.0: Set fill_rate.
    set_burst_size(self ref Rate_limit, value float)
        pool pool-admin @26.17.0: Set burst_size.
    remove_caller(self ref Rate_limit, caller ref Caller)
        pool pool-admin @26.17.0: Take a client from it.
    add_caller(self ref Rate_limit, caller ref Caller)
        pool pool-admin @26.17.0: Put a client under it.
    """,
)
