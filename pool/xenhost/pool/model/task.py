"""task: something that runs for a client, or has ended."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

TASK: Final[Class] = declare(
    "task",
    "Something that runs for a client, or has ended.",
    writer="pool-admin",
    lasting=False,
    fields="""
    run uuid string: Its UUID.
    run name_label string: Its name, for people.
    run name_description string: Notes, for people.
    run allowed_operations set task_allowed_operations: What may be done to it now; advice only.
    run current_operations map string task_allowed_operations: What is being done to it, by task.
    run created datetime: When it was made.
    run finished datetime: When it ended; without meaning before.
    run status task_status_type: Whether it runs, or how it ended.
    run session ref session <> session.tasks hidden: The session that made it.
    run resident_on ref host: The host it runs on.
    run progress float: How much of it is done, from 0 to 1.
    run externalpid int hidden: A process that works for it; 0 if none.
    run stunnelpid int hidden: A TLS process that works for it; 0 if none.
    run forwarded bool hidden: Another host works for it.
    run forwarded_to ref host hidden: The host that works for it.
    run type string: The type of its result.
    run result string: What it returned, as an XML-RPC value; empty unless it ended well.
    run error_info set string: The failure array, if it failed.
    run other_config map string string @4.1: Keys of clients and of features that have no field.
    run subtask_of ref task <> task.subtasks @5.0: The task that it is a part of.
    run subtasks set ref task <> task.subtask_of @5.0: Its parts.
    run backtrace string = "()" @7.0: Where it failed, for the makers of the software.
    """,
    messages="""
    create(label string, description string) -> ref task
        db read-only sync: Make a task that the client itself will finish.
    destroy(self ref task)
        db read-only sync: Remove it; what runs goes on.
    cancel(task ref task)
        host read-only: Ask it to end.
        ! OPERATION_NOT_ALLOWED
    set_other_config(self ref task, value map string string)
        db read-only sync: Set other_config.
    add_to_other_config(self ref task, key string, value string)
        db read-only sync keys vm-operator:applies_to,XenCenterUUID,XenCenterMeddlingActionTitle: Add a key.
    remove_from_other_config(self ref task, key string)
        db read-only sync keys vm-operator:applies_to,XenCenterUUID,XenCenterMeddlingActionTitle: Remove a key.
    set_error_info(self ref task, value set string)
        db read-only @21.3.0 sync: Set error_info.
    set_result(self ref task, value string)
        db read-only @21.3.0 sync: Set result.
    set_progress(self ref task, value float)
        db read-only @8.2 sync: Set progress.
    set_status(self ref task, value task_status_type)
        db read-only @7.2 sync: Set status.
    """,
)
