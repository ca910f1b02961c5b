"""TCP mode: a port of the exit node that leads to a TCP service beside the agent, byte by byte.

Map
    ``wire``           the OPEN frame of a TCP stream: who came, and to which port
    ``proxy_protocol`` telling the service who came (HAProxy's PROXY protocol, versions 1 and 2)
    ``pipe``           one socket and one stream, each direction ended and held back by itself
    ``edge``           exit node: the ports that clients hold, and the visitors that come to them
    ``agent``          agent: a service for each port

Nothing of it is loaded, on either side, before somebody asks for a port.  PROTOCOL.md, section 9.3.
"""
