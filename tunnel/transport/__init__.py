"""asyncio: sockets, timers and the protocols that run on them.

Map
    ``link``      one websocket with a session inside; what both ends share
    ``questions`` what the control plane answers besides links
    ``asking``    agent: asking such a thing
    ``tls``       contexts, and an agent's dialling of an exit node that it verifies
    ``visitor``   exit node: a visitor's connection, read request by request
    ``exchange``  exit node: one request and its answer, between a visitor and a stream
    ``agent``     agent: one request and its answer, between a stream and an upstream
    ``upstream``  agent: connections to a service, kept and reused
    ``sockets``   what a transport does not offer and its socket does
    ``loop``      the event loop, and running a program in it until a signal says stop
"""
