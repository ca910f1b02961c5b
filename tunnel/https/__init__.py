"""The exit node's HTTPS for visitors: a port with TLS, a certificate for each name.

Map
    ``edge``        the port: which certificate a handshake gets, and what is answered before any routing
    ``listener``    who may begin a handshake
    ``files``       certificates that somebody else keeps in date, read again when they change

Certificates that come from an ACME issuer are ``tunnel.acme``'s, which is loaded only where it is asked for.
A visitor's connection is the same ``transport.visitor`` as over plain HTTP, and only that is offered (ALPN
``http/1.1``).  Handshakes pick their certificate by name (SNI) when they begin: a new certificate is for
those to come, and no connection notices.
"""
