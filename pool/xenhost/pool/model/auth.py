"""auth: auth."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

AUTH: Final[Class] = declare(
    "auth",
    "Auth.",
    writer="pool-admin",
    calls="",
    since="5.5",
    stored=False,
    messages="""
    get_subject_identifier(subject_name string) -> string
        pool read-only @5.5 sync: Get subject identifier.
    get_subject_information_from_identifier(subject_identifier string) -> map string string
        pool read-only @5.5 sync: Get subject information from identifier.
    get_group_membership(subject_identifier string) -> set string
        pool read-only @5.5 sync: Get group membership.
    """,
)
