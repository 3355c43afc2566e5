"""Caller: caller."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

CALLER: Final[Class] = declare(
    "Caller",
    "Caller.",
    writer="pool-admin",
    calls="create destroy get_by_uuid get_record get_all get_all_records get_all_records_where",
    since="26.17.0",
    fields="""
    run uuid string @26.17.0: Its UUID.
    rw  name_label string = "" @26.17.0: Its name, for people.
    rw  name_description string = "" @26.17.0: Notes, for people.
    ins user_agent string = "" @26.17.0: User agent.
    ins client_ip string = "" @26.17.0: Client ip.
    run last_access datetime = "19700101T00:00:00Z" @26.17.0: Last access.
    run groups set string @26.17.0: Groups.
    run rate_limit ref Rate_limit <> Rate_limit.callers @26.17.0: Rate limit.
    run auto_registered bool @26.17.0: Auto registered.
    """,
    messages="""
    query_all_usage() -> set set string
        pool pool-operator @26.17.0: Query all usage.
    query_group_call_count(group string) -> int
        pool pool-operator @26.15.0: Query group call count.
    query_group_token_usage(group string) -> float
        pool pool-operator @26.15.0: Query group token usage.
    query_call_count(self ref Caller) -> int
        pool pool-operator @26.15.0: Query call count.
    query_token_usage(self ref Caller) -> float
        pool pool-operator @26.15.0: Query token usage.
    remove_group(self ref Caller, group string)
        pool pool-operator @26.17.0: Remove group.
    add_group(self ref Caller, group string)
        pool pool-operator @26.17.0: Add group.
    """,
)
