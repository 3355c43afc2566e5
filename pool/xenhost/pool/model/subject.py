"""subject: subject."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

SUBJECT: Final[Class] = declare(
    "subject",
    "Subject.",
    writer="pool-admin",
    since="5.5",
    fields="""
    run uuid string: Its UUID.
    ins subject_identifier string = "" @5.5: Subject identifier.
    ins other_config map string string = {} @5.5: Keys of clients and of features that have no field.
    run roles set ref role = ["OpaqueRef:0165f154-ba3e-034e-6b27-5d271af109ba"] @5.6: Roles.
    """,
    messages="""
    add_to_roles(self ref subject, role ref role)
        pool via pool-admin @5.6 sync: Add to roles.
    remove_from_roles(self ref subject, role ref role)
        pool via pool-admin @5.6 sync: Remove from roles.
    get_permissions_name_label(self ref subject) -> set string
        db read-only @5.6 sync: Get permissions name label.
    create(args record subject) -> ref subject
        pool via pool-admin @5.5: Create.
    destroy(self ref subject)
        pool via pool-admin @5.5: Destroy.
    """,
)
