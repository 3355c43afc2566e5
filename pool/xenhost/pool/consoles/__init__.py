"""Consoles of VMs, from the agents to clients.

handlers   `/console`: a CONNECT or a WebSocket        open       those that are open, and how they end
finding    which console a request means               activity   whether somebody sits at a screen
snapshot   `/vncsnapshot`: a picture of the screen      rfb        the client of RFB that takes it
records    class console in the database
"""
