"""task: task."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

TASK: Final[Class] = declare(
    "task",
    "Task.",
    writer="pool-admin",
    lasting=False,
    fields="""
    run uuid string: Its UUID.
    run name_label string: Its name, for people.
    run name_description string: Notes, for people.
    run allowed_operations set task_allowed_operations: What may be done to it now; advice only.
    run current_operations map string task_allowed_operations: What is being done to it, by task.
    run created datetime: Created.
    run finished datetime: Finished.
    run status task_status_type: Status.
    run session ref session <> session.tasks hidden: Session.
    run resident_on ref host: Resident on.
    run progress float: Progress.
    run externalpid int hidden: Externalpid.
    run stunnelpid int hidden: Stunnelpid.
    run forwarded bool hidden: Forwarded.
    run forwarded_to ref host hidden: Forwarded to.
    run type string: Type.
    run result string: Result.
    run error_info set string: Error info.
    run other_config map string string @4.1: Keys of clients and of features that have no field.
    run subtask_of ref task <> task.subtasks @5.0: Subtask of.
    run subtasks set ref task <> task.subtask_of @5.0: Subtasks.
    run backtrace string = "()" @7.0: Backtrace.
    """,
    messages="""
    create(label string, description string) -> ref task
        db read-only sync: Create.
    destroy(self ref task)
        db read-only sync: Destroy.
    cancel(task ref task)
        host read-only: Cancel.
        ! OPERATION_NOT_ALLOWED
    set_other_config(self ref task, value map string string)
        db read-only sync: Set other config.
    add_to_other_config(self ref task, key string, value string)
        db read-only sync keys vm-operator:applies_to,XenCenterUUID,XenCenterMeddlingActionTitle: Add to other config.
    remove_from_other_config(self ref task, key string)
        db read-only sync keys vm-operator:applies_to,XenCenterUUID,XenCenterMeddlingActionTitle: Remove from other config.
    set_error_info(self ref task, value set string)
        db read-only @21.3.0 sync: Set error info.
    set_result(self ref task, value string)
        db read-only @21.3.0 sync: Set result.
    set_progress(self ref task, value float)
        db read-only @8.2 sync: Set progress.
    set_status(self ref task, value task_status_type)
        db read-only @7.2 sync: Set status.
    """,
)
