"""Rate_limit: rate limit."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

RATE_LIMIT: Final[Class] = declare(
    "Rate_limit",
    "Rate limit.",
    writer="pool-admin",
    calls="create destroy get_by_uuid get_record get_all get_all_records get_all_records_where",
    since="26.17.0",
    fields="""
    run uuid string @26.17.0: Its UUID.
    rw  name_label string = "" @26.17.0: Its name, for people.
    rw  name_description string = "" @26.17.0: Notes, for people.
    run callers set ref Caller <> Caller.rate_limit @26.17.0: Callers.
    ins burst_size float = 0.0 @26.17.0: Burst size.
    ins fill_rate float = 0.0 @26.17.0: Fill rate.
    """,
    messages="""
    set_fill_rate(self ref Rate_limit, value float)
        pool pool-admin @26.17.0: Set fill rate.
    set_burst_size(self ref Rate_limit, value float)
        pool pool-admin @26.17.0: Set burst size.
    remove_caller(self ref Rate_limit, caller ref Caller)
        pool pool-admin @26.17.0: Remove caller.
    add_caller(self ref Rate_limit, caller ref Caller)
        pool pool-admin @26.17.0: Add caller.
    """,
)
