"""The gRPC edge: the only place, with `link` and the command-line client, that knows the wire types.

server        listeners and what they serve          interceptors   who, what, how long, and the error table
credentials   TLS, exchanged while we run            status         errors on the wire and back
convert       messages to values and back            image_stream   VDIs imported and exported
vm, vbd, vif, sr, vdi, host, events, console, operations: the services
"""
