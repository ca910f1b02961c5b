"""What an exit node with a CA of its own keeps from one run to the next, readable by its owner alone.

Map
    ``folder``        where that is, and the folder itself
    ``certificates``  a CA and the certificates that it signs, without I/O
    ``keeper``        the CA in its file, and a certificate that is always in date
    ``own_token``     the token of an exit node that was given none

Files
    ``autoridad.pem``  the CA's certificate and its key: the one secret that no other file can be made from
    ``ca.pem``         the CA's certificate alone, for whoever verifies by ``--ca-file``
    ``token.txt``      the token, where none was given
    ``conexion.toml``  what the client needs (``tunnel.connection``)

The server's own certificate is not among them.  It is made at every start, in less than a millisecond: so
it always has the names that were asked for, and there is no key of it to guard.
"""
