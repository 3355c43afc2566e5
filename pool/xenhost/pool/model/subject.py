"""subject: A user or group of the external directory who may log in."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

SUBJECT: Final[Class] = declare(
    "subject",
    "A user or group of the external directory who may log in.",
    writer="pool-admin",
    since="5.5",
    fields="""
    run uuid string: Its UUID.
    ins subject_identifier string = "" @5.5: His identifier in the directory.
    ins other_config map string string = {} @5.5: Keys of clients and of features that have no field.
    run roles set ref role = ["OpaqueRef:0165f154-ba3e-034e-6b27-5d271af109ba"] @5.6: What he may do here.
    """,
    messages="""
    add_to_roles(self ref subject, role ref role)
        pool via pool-admin @5.6 sync: Give him a role.
    remove_from_roles(self ref subject, role ref role)
        pool via pool-admin @5.6 sync: Take a role from him.
    get_permissions_name_label(self ref subject) -> set string
        db read-only @5.6 sync: All that his roles permit, by name.
    create(args record subject) -> ref subject
        pool via pool-admin @5.5: Let a user or group of the directory log in.
    destroy(self ref subject)
        pool via pool-admin @5.5: Let him log in no more.
    """,
)
