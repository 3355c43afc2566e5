"""Run a host command that must succeed."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bed.report import BedError


def run(
    argv: Sequence[str | Path],
    *,
    timeout: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Standard output of the command. Raises BedError with the end of its output if it fails or takes too long."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BedError(f"`{' '.join(words)}` took more than {timeout:.0f} s") from None
    except FileNotFoundError:
        raise BedError(f"`{words[0]}` is not installed on this machine") from None
    output = done.stdout.decode(errors="replace")
    if done.returncode:
        raise BedError(f"`{' '.join(words)}` failed ({done.returncode}):\n{output[-3000:]}")
    return output
