"""A small HTTP/1.x server: h11 for the protocol, asyncio for the sockets, and a way out of HTTP.

message    what a handler gets and gives: Request, Response, Headers
limits     how much a client may send, and how long it may take
body       the body of a request as it comes in
raw        the connection itself: tunnels, upgrades, uploads of unknown length
connection one client: its requests, one after another
server     the sockets, and the connections on them
sockets    listening sockets, and who is at the other end
routes     which handler answers which method and path
tls        certificates
"""
