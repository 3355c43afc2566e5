"""auth: what the external directory knows of users and groups."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

AUTH: Final[Class] = declare(
    "auth",
    "What the external directory knows of users and groups.",
    writer="pool-admin",
    calls="",
    since="5.5",
    stored=False,
    messages="""
    get_subject_identifier(subject_name string) -> string
        pool read-only @5.5 sync: The identifier of a user or group by name.
    get_subject_information_from_identifier(subject_identifier string) -> map string string
        pool read-only @5.5 sync: What the directory says of an identifier.
    get_group_membership(subject_identifier string) -> set string
        pool read-only @5.5 sync: The groups that an identifier is in, directly or not.
    """,
)
