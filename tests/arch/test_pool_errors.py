"""Every error that the pool master raises is one of the API, with as many parameters as it has there."""

import ast
from pathlib import Path
from typing import Final

from xenhost.pool.model.errors import ERRORS

POOL = Path(__file__).resolve().parents[2] / "pool/xenhost/pool"
UNDOCUMENTED: Final = {
    "HOST_CANNOT_SEE_SR": 2,
    "LICENCE_RESTRICTION": 1,
    "OTHER_OPERATION_IN_PROGRESS": 4,
    "PIF_HAS_NO_NETWORK_CONFIGURATION": 1,
    "PIF_HAS_NO_V6_NETWORK_CONFIGURATION": 1,
    "PIF_INCOMPATIBLE_PRIMARY_ADDRESS_TYPE": 1,
    "REVERT_ONLY_ALLOWED_ON_SNAPSHOT": 0,
    "SESSION_AUTHENTICATION_FAILED": 2,
    "SR_NO_PBDS": 1,
    "VDI_CONTENT_ID_MISSING": 0,
    "VDI_IO_ERROR": 1,
    "VM_IS_SNAPSHOT": 2,
    "VM_IS_TEMPLATE": 2,
    "VM_MEMORY_TARGET_WAIT_TIMEOUT": 1,
}
"""xapi raises them like that, whatever its reference says."""
PLANS: Final = {
    ("vms/evacuating.py", "HOST_NOT_ENOUGH_FREE_MEMORY"): 1,
    ("vms/evacuating.py", "NO_HOSTS_AVAILABLE"): 1,
}
"""As in the plans of xapi (compute_evacuation_plan_no_wlb): they name the VM that finds no place, and nothing else."""


def test_errors_are_those_of_the_api() -> None:
    wrong = []
    for path in POOL.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name("ApiError"), args=[ast.Constant(str(code)), *params]):
                    if any(isinstance(param, ast.Starred) for param in params):
                        continue
                    expected = UNDOCUMENTED.get(code, len(ERRORS.get(code, ("unknown",) * 99)))
                    expected = PLANS.get((str(path.relative_to(POOL)), code), expected)
                    if len(params) != expected:
                        wrong.append(f"{path.relative_to(POOL)}:{node.lineno} {code} has {expected}, not {len(params)}")
    assert not wrong
