"""session: A client that has logged in."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

SESSION: Final[Class] = declare(
    "session",
    "A client that has logged in.",
    writer="pool-admin",
    calls="get_by_uuid get_record",
    lasting=False,
    fields="""
    run uuid string: Its UUID.
    run this_host ref host: The host it is connected to.
    run this_user ref user: A local user; null for others.
    run last_active datetime: When it was last used.
    run pool bool: It is one of the pool's own hosts.
    rw  other_config map string string = {} @4.1: Keys of clients and of features that have no field.
    run is_local_superuser bool @5.5: It may do everything.
    run subject ref subject @5.5: The directory's subject who logged in; null for a local user.
    run validation_time datetime = "19700101T00:00:00Z" @5.5: When the directory was last asked about him.
    run auth_user_sid string @5.5: His identifier in the directory.
    run auth_user_name string @5.6: The name he logged in with.
    ins rbac_permissions set string = [] @5.6: What he may do, by the names of messages.
    run tasks set ref task <> task.session @5.6: Tasks that it has started.
    ins parent ref session = OpaqueRef:NULL @5.6: The session that made this one.
    run originator string @6.2: What the client called itself.
    run client_certificate bool @21.2.0: It was opened with a certificate, without password.
    """,
    messages="""
    login_with_password(uname string, pwd string, version? string = "1.1", originator? string) -> ref session
        pool read-only sync nosession: Log in, and get a session.
        ! SESSION_AUTHENTICATION_FAILED HOST_IS_SLAVE
    logout()
        db read-only sync: End the session.
    change_password(old_pwd string, new_pwd string)
        host pool-admin sync: Change the password of the local superuser, on all hosts.
    slave_local_login_with_password(uname string, pwd string) -> ref session
        host pool-admin @4.1 sync nosession: Log in to this host alone, when there is no pool master.
    local_logout()
        host pool-admin @4.1 sync: End a session that is of this host alone.
    get_all_subject_identifiers() -> set string
        db read-only @5.5: The identifiers of all subjects who are logged in.
    logout_subject_identifier(subject_identifier string)
        db pool-operator @5.5: End all sessions of a subject.
    create_from_db_file(filename string) -> ref session
        db pool-admin @7.0 sync: A session on a database that is a file.
    """,
)
