"""Repository: repository."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

REPOSITORY: Final[Class] = declare(
    "Repository",
    "Repository.",
    writer="pool-operator",
    since="1.301.0",
    fields="""
    run uuid string @1.301.0: Its UUID.
    rw  name_label string = "": Its name, for people.
    rw  name_description string = "": Notes, for people.
    ins binary_url string = "" @1.301.0: Binary url.
    ins source_url string = "" @1.301.0: Source url.
    ins update bool = false @1.301.0: Update.
    run hash string @1.301.0: Hash.
    run up_to_date bool @1.301.0 deprecated: Up to date.
    ins gpgkey_path string = "" @22.12.0: Gpgkey path.
    ins origin origin = remote @24.23.0: Origin.
    ins certificate string = "" @25.7.0: Certificate.
    """,
    messages="""
    set_gpgkey_path(self ref Repository, value string)
        pool via pool-operator @22.12.0: Set gpgkey path.
    forget(self ref Repository)
        pool via pool-operator @1.301.0: Forget.
    introduce_remote_pool(name_label string, name_description string, binary_url string, certificate string) ->
        ref Repository
        pool via pool-operator @25.7.0: Introduce remote pool.
    introduce_bundle(name_label string, name_description string) -> ref Repository
        pool via pool-operator @24.23.0: Introduce bundle.
    introduce(name_label string, name_description string, binary_url string, source_url string, update bool,
        gpgkey_path? string) -> ref Repository
        pool via pool-operator @1.301.0: Introduce.
    """,
)
