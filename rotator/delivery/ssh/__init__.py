"""kubectl over SSH: the connection to a master whose host key is pinned, and the commands that run there.

Only this package knows paramiko.
"""
