"""Repository: A place where updates come from."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

REPOSITORY: Final[Class] = declare(
    "Repository",
    "A place where updates come from.",
    writer="pool-operator",
    since="1.301.0",
    fields="""
    run uuid string @1.301.0: Its UUID.
    rw  name_label string = "": Its name, for people.
    rw  name_description string = "": Notes, for people.
    ins binary_url string = "" @1.301.0: Where packages are.
    ins source_url string = "" @1.301.0: Where sources are.
    ins update bool = false @1.301.0: It holds updates.
    run hash string @1.301.0: The state of what was fetched.
    run up_to_date bool @1.301.0 deprecated: All hosts have what was fetched.
    ins gpgkey_path string = "" @22.12.0: The key that it is signed with.
    ins origin origin = remote @24.23.0: What kind of place it is.
    ins certificate string = "" @25.7.0: The certificate it must show.
    """,
    messages="""
    set_gpgkey_path(self ref Repository, value string)
        pool via pool-operator @22.12.0: Set gpgkey_path.
    forget(self ref Repository)
        pool via pool-operator @1.301.0: Remove the record.
    introduce_remote_pool(name_label string, name_description string, binary_url string, certificate string) ->
        ref Repository
        pool via pool-operator @25.7.0: Take updates from another pool.
    introduce_bundle(name_label string, name_description string) -> ref Repository
        pool via pool-operator @24.23.0: Take updates from a file.
    introduce(name_label string, name_description string, binary_url string, source_url string, update bool,
        gpgkey_path? string) -> ref Repository
        pool via pool-operator @1.301.0: Take updates from a place.
    """,
)
