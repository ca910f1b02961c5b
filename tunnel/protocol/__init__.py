"""The tunnel's wire protocol, without any I/O.

Nothing here opens a socket, reads a clock or draws a random number: bytes come in as arguments and go
out as return values, the time is an argument, randomness is an injected function.  The package needs
only the standard library.  ``PROTOCOL.md`` describes the same wire for those who write a client in
another language.

Map
    ``errors``     what can go wrong, and the codes that travel
    ``frames``     the eight-byte header, the frame types, the incremental decoder
    ``states``     the life of a stream as one table
    ``auth``       tokens, nonces and the two HMAC proofs
    ``messages``   the JSON bodies of the handshake: hello, challenge, claim, grant, refuse
    ``handshake``  the two sides of the handshake
    ``flow``       credit: how much a stream may send, and how its window grows
    ``session``    the whole of one link: handshake, streams, credit, pings, draining

Glossary
    link         one websocket between a client and an exit node, seen as two ordered byte streams
    session      the state of one link
    stream       one visitor's request and its answer, multiplexed over the link
    frame        type, stream id, payload: the unit that the link carries
    half-close   one direction of a stream has ended; the other goes on
    credit       how many bytes of DATA the receiver of a stream is ready to take
    exit node    the side with the public address; it opens streams (role ``EXIT_NODE``)
    agent        the tunnel client, beside the private service; it answers streams (role ``AGENT``)
"""
