"""The link to a pool master: we dial, register, and report; the master answers with acknowledgements.

link      the connection and its sessions       report    what is said: snapshot, changes, heartbeat
lease     whether the master counts us alive    backoff   when to dial again
dial      channel and credentials               diagnose  why a connection failed, in words
"""
