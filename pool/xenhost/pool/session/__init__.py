"""Who is logged in, and how one logs in.

session, table   sessions, their limits, their end          brakes            guessing passwords takes long
authenticator    who knows whether a password is right      pam, pam_helper   PAM, in a process of its own
login            the messages of class session
"""
