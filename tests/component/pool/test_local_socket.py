"""xenpoold as a process, asked on a unix socket as XenServer's plugins ask it."""

import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import XenAPI

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def socket() -> Iterator[Path]:
    """`XenAPI.xapi_local()` has no `_` in paths."""
    root = Path("/tmp") / f"xs-{uuid4().hex[:12]}"
    path = root / "var/lib/xcp/xapi"
    words = ("--root", str(root), "--user", "root", "--socket", str(path))
    process = subprocess.Popen([sys.executable, "-m", "xenhost.pool", *words], stdin=subprocess.PIPE)
    try:
        assert process.stdin is not None
        process.stdin.write(b"secret\n")
        process.stdin.close()
        end = time.monotonic() + 60
        while not path.is_socket():
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        yield path
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(60)
        left = path.exists()
        shutil.rmtree(root)
    assert status == 0
    assert not left


def test_root_needs_no_password_at_the_socket_of_xenservers_plugins(socket: Path) -> None:
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    session = XenAPI.Session("http://" + str(socket).replace("/", "_"), transport=XenAPI.UDSTransport())
    session.login_with_password("", "")
    try:
        assert "Other install media" in {each["name_label"] for each in session.xenapi.VM.get_all_records().values()}
        assert session.xenapi.session.get_is_local_superuser(session._session)
    finally:
        session._ServerProxy__close()
