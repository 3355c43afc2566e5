"""The host daemon.

main, config, lifecycle    what runs, with which settings, from start to stop      rpc      the gRPC edge
logging, journald, notify  how it tells people and systemd                         link     reports to a pool master
engine, plans, steps       requests become plans become steps                      console  serial consoles
journal, inventory         intent on disk; what should exist, and what does        events   what changed
"""
