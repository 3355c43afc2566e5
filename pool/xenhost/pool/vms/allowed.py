"""What may be done with a VM, as far as its power state says it."""

from typing import Final

from xenhost.pool.model.enums import ENUMS

_HALTED: Final = (
    *("changing_dynamic_range", "changing_static_range", "changing_VCPUs", "clone", "copy", "create_template"),
    *("destroy", "export", "make_into_template", "snapshot", "start", "start_on"),
)


def halted_operations(template: bool) -> tuple[str, ...]:
    """Of a halted VM, or a template."""
    if template:
        return (*(word for word in _HALTED if not word.startswith("start")), "provision")
    return _HALTED


def running_operations(told: tuple[str, ...]) -> tuple[str, ...]:
    """Of one that runs, or is paused: what its agent says, and what the pool does by itself."""
    return (*(word for word in told if word in ENUMS["vm_operations"]), "snapshot")
