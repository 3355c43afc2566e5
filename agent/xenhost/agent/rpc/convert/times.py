"""Moments: seconds since the epoch here, Timestamp on the wire."""

from google.protobuf.timestamp_pb2 import Timestamp


def timestamp(seconds: float | None) -> Timestamp | None:
    """The moment on the wire, in microseconds as exact as a float holds today's date; None stays absent."""
    if seconds is None:
        return None
    whole = Timestamp()
    whole.FromMicroseconds(round(seconds * 1_000_000))
    return whole
