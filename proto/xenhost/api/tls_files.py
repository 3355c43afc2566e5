"""The PEM files of one end of a TLS connection."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xenhost.core.config_error import ConfigError

MAX_PEM: Final = 256 * 1024

Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The certificate chain we show, its key, and the CA that must have signed what the other side shows."""

    cert: Path
    key: Path
    ca: Path

    def stamp(self) -> Stamp:
        """Changes when a file does. Raises ConfigError."""
        try:
            states = [path.stat() for path in (self.cert, self.key, self.ca)]
        except OSError as error:
            raise ConfigError(
                f"{error.filename}: {error.strerror}; TLS needs a certificate, its key and the pool's CA"
            ) from error
        return tuple((state.st_ino, state.st_mtime_ns, state.st_size) for state in states)

    def read(self) -> tuple[bytes, bytes, bytes]:
        """Certificate, key, CA. Raises ConfigError that says what should be in which file."""
        return (
            _pem(self.cert, b"CERTIFICATE", "our certificate"),
            _pem(self.key, b"PRIVATE KEY", "our private key"),
            _pem(self.ca, b"CERTIFICATE", "the pool's CA certificate"),
        )


def _pem(path: Path, label: bytes, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_PEM + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; it must hold {what} in PEM") from error
    if len(content) > MAX_PEM or b"-----BEGIN " not in content or label + b"-----" not in content:
        raise ConfigError(f"{path}: it must hold {what} in PEM")
    return content
