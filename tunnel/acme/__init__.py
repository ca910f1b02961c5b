"""Visitors' certificates from an ACME issuer (RFC 8555): asked for, kept, and renewed while all goes on.

Map
    ``keeper``    which names need a certificate and when; what handshakes find
    ``patience``  how long to wait after a failure, without I/O
    ``issuer``    one order, from the account to the certificate: certbot's ``acme`` library
    ``store``     the account's key and the certificates, in the state folder
    ``proofs``    what a name is proven with: HTTP-01 on the visitors' port, and what DNS-01 has in common
    ``rfc2136``   DNS-01 by dynamic updates with TSIG
    ``hook``      DNS-01 by a program of the owner's

Orders are worked off one at a time in a thread of their own, because the library blocks; the event loop is
told what came of it.  Nothing here is loaded unless it is asked for; the library is an extra
(``tunelab[acme]``).
"""
