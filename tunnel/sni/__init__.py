"""TLS by name: one port of the exit node for many TLS services, decrypted only by the services themselves.

Map
    ``hello``  the name in a ClientHello, without I/O
    ``edge``   exit node: the port, which client has which name, and the visitors that come

The exit node reads the first message of a connection, which TLS sends in the clear, and passes it and all
that follows on as it came.  What the agent does is what it does for TCP (:mod:`tunnel.tcp`).  Nothing of it
is loaded without ``--sni-port``.  PROTOCOL.md, section 9.5.
"""

__all__ = ["SniPortUnusable"]


class SniPortUnusable(OSError):  # noqa: N818 - named after what happened
    """The port for TLS names cannot be bound; ``errno`` says why."""
