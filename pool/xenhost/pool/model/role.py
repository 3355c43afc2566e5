"""role: what somebody may do: a permission, or a set of them."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

ROLE: Final[Class] = declare(
    "role",
    "What somebody may do: a permission, or a set of them.",
    writer="pool-admin",
    since="5.6",
    fields="""
    run uuid string: Its UUID.
    ins name_label string = "" @5.6: Its name, for people.
    ins name_description string = "" @5.6: Notes, for people.
    ins subroles set ref role = [] @5.6: The roles and permissions that it consists of.
    run is_internal bool @22.5.0: It is of the system, not for people.
    """,
    messages="""
    get_permissions(self ref role) -> set ref role
        db read-only @5.6 sync: The permissions in it.
    get_permissions_name_label(self ref role) -> set string
        db read-only @5.6 sync: The names of the permissions in it.
    get_by_permission(permission ref role) -> set ref role
        db read-only @5.6 sync: The roles that hold a permission.
    get_by_permission_name_label(label string) -> set ref role
        db read-only @5.6 sync: The roles that hold a permission of that name.
    """,
)
