"""Several clients for one name or port: who they are, and whose turn it is.

Map
    ``group``    the clients that share one name, and the one that takes the next visitor
    ``options``  what an agent is told of sharing and of looking after its services

What an agent finds out about its services is :mod:`tunnel.health`.  PROTOCOL.md, sections 4.3 and 9.4.
"""
