"""One request to a server in the web, of which nothing is expected but that it may be hostile."""

import asyncio
import ssl


async def ask(host: str, port: int, head: str, body: bytes, tls: ssl.SSLContext, most: int) -> tuple[int, bytes]:
    """Status and body of the answer, of at most so many bytes; `head` is such as `POST / HTTP/1.0`.

    Status 0 is no HTTP. It takes as long as the server likes. Raises OSError, ssl.SSLError.
    """
    reader, writer = await asyncio.open_connection(host, port, ssl=tls, server_hostname=host)
    try:
        fields = f"Host: {host}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(f"{head}\r\n{fields}".encode() + body)
        await writer.drain()
        answer = bytearray()
        while len(answer) < most and (piece := await reader.read(most - len(answer))):
            answer += piece
    finally:
        writer.close()
    start, _, rest = bytes(answer).partition(b"\r\n\r\n")
    words = start.split(b"\r\n")[0].split()
    status = words[1] if len(words) > 1 else b""
    return int(status) if len(status) == 3 and status.isdigit() else 0, rest
