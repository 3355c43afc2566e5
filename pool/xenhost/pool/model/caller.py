"""Caller: A client whose calls are counted."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

CALLER: Final[Class] = declare(
    "Caller",
    "A client whose calls are counted.",
    writer="pool-admin",
    calls="create destroy get_by_uuid get_record get_all get_all_records get_all_records_where",
    since="26.17.0",
    fields="""
    run uuid string @26.17.0: Its UUID.
    rw  name_label string = "" @26.17.0: Its name, for people.
    rw  name_description string = "" @26.17.0: Notes, for people.
    ins user_agent string = "" @26.17.0: What it calls itself.
    ins client_ip string = "" @26.17.0: Its address.
    run last_access datetime = "19700101T00:00:00Z" @26.17.0: When it last called.
    run groups set string @26.17.0: Groups it is counted in.
    run rate_limit ref Rate_limit <> Rate_limit.callers @26.17.0: The limit it is under.
    run auto_registered bool @26.17.0: Nobody made the record; it called.
    """,
    messages="""
    query_all_usage() -> set set string
        pool pool-operator @26.17.0: What all have used.
    query_group_call_count(group string) -> int
        pool pool-operator @26.15.0: How often those of a group have called.
    query_group_token_usage(group string) -> float
        pool pool-operator @26.15.0: What those of a group have used.
    query_call_count(self ref Caller) -> int
        pool pool-operator @26.15.0: How often it has called.
    query_token_usage(self ref Caller) -> float
        pool pool-operator @26.15.0: What it has used.
    remove_group(self ref Caller, group string)
        pool pool-operator @26.17.0: Count it in a group no more.
    add_group(self ref Caller, group string)
        pool pool-operator @26.17.0: Count it in a group.
    """,
)
