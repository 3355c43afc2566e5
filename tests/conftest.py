"""What every test gets."""

import gc
import signal
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("project", deadline=None)  # how long an example takes says something of the machine only
settings.load_profile("project")

# Run in the background, as a CI may run us, we are born ignoring signals, and so would be every process under test.
for number, handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Without the garbage collector while a failure is put into words.

    Python 3.11.2, Debian 12's, ends the whole run with "AST constructor recursion depth mismatch" if a collection
    makes a finalizer parse source while pytest does (python/cpython#106905, mended in 3.11.5).
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
