"""A file that is there whole or not at all."""

import os
from pathlib import Path


def replace_file(path: Path, content: bytes, mode: int) -> None:
    """It has this content, on disk, whatever was there before. Blocks. Raises OSError."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
