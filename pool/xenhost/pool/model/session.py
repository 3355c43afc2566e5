"""session: session."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

SESSION: Final[Class] = declare(
    "session",
    "Session.",
    writer="pool-admin",
    calls="get_by_uuid get_record",
    lasting=False,
    fields="""
    run uuid string: Its UUID.
    run this_host ref host: This host.
    run this_user ref user: This user.
    run last_active datetime: Last active.
    run pool bool: Pool.
    rw  other_config map string string = {} @4.1: Keys of clients and of features that have no field.
    run is_local_superuser bool @5.5: Is local superuser.
    run subject ref subject @5.5: Subject.
    run validation_time datetime = "19700101T00:00:00Z" @5.5: Validation time.
    run auth_user_sid string @5.5: Auth user sid.
    run auth_user_name string @5.6: Auth user name.
    ins rbac_permissions set string = [] @5.6: Rbac permissions.
    run tasks set ref task <> task.session @5.6: Tasks.
    ins parent ref session = OpaqueRef:NULL @5.6: Parent.
    run originator string @6.2: Originator.
    run client_certificate bool @21.2.0: Client certificate.
    """,
    messages="""
    login_with_password(uname string, pwd string, version? string = "1.1", originator? string) -> ref session
        pool read-only sync nosession: Login with password.
        ! SESSION_AUTHENTICATION_FAILED HOST_IS_SLAVE
    logout()
        db read-only sync: Logout.
    change_password(old_pwd string, new_pwd string)
        host pool-admin sync: Change password.
    slave_local_login_with_password(uname string, pwd string) -> ref session
        host pool-admin @4.1 sync nosession: Slave local login with password.
    local_logout()
        host pool-admin @4.1 sync: Local logout.
    get_all_subject_identifiers() -> set string
        db read-only @5.5: Get all subject identifiers.
    logout_subject_identifier(subject_identifier string)
        db pool-operator @5.5: Logout subject identifier.
    create_from_db_file(filename string) -> ref session
        db pool-admin @7.0 sync: Create from db file.
    """,
)
