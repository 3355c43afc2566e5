"""What goes wrong in the native layer: an errno, and the call that gave it."""

import os


class NativeError(OSError):
    """A native call failed. `errno` is what the library or daemon left, `call` names the call."""

    def __init__(self, errno: int, call: str, detail: str = "") -> None:
        text = os.strerror(errno)
        super().__init__(errno, f"{call}: {text}: {detail}" if detail else f"{call}: {text}")
        self.call = call
        self.detail = detail

    def __reduce__(self) -> tuple[type["NativeError"], tuple[int, str, str]]:
        """OSError would be rebuilt from (errno, message)."""
        return type(self), (self.errno or 0, self.call, self.detail)


class NativeUnavailable(Exception):
    """A native module or program was not built here; `part` names it."""

    def __init__(self, part: str) -> None:
        super().__init__(
            f"{part} is not built here: it needs Xen's headers (Debian: libxen-dev); install them and run `make native`"
        )
        self.part = part

    def __reduce__(self) -> tuple[type["NativeUnavailable"], tuple[str]]:
        """Exception would be rebuilt from the message."""
        return type(self), (self.part,)
