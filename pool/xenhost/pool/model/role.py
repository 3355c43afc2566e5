"""role: role."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

ROLE: Final[Class] = declare(
    "role",
    "Role.",
    writer="pool-admin",
    since="5.6",
    fields="""
    run uuid string: Its UUID.
    ins name_label string = "" @5.6: Its name, for people.
    ins name_description string = "" @5.6: Notes, for people.
    ins subroles set ref role = [] @5.6: Subroles.
    run is_internal bool @22.5.0: Is internal.
    """,
    messages="""
    get_permissions(self ref role) -> set ref role
        db read-only @5.6 sync: Get permissions.
    get_permissions_name_label(self ref role) -> set string
        db read-only @5.6 sync: Get permissions name label.
    get_by_permission(permission ref role) -> set ref role
        db read-only @5.6 sync: Get by permission.
    get_by_permission_name_label(label string) -> set ref role
        db read-only @5.6 sync: Get by permission name label.
    """,
)
