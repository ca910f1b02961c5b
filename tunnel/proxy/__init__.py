"""Out through a corporate proxy: which one, if any, and the way that it opens.

Map
    ``settings``  ``--proxy``, ``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY``: which one leads to an exit node
    ``connect``   the way through it: CONNECT (RFC 9110, section 9.3.6), with basic authentication (RFC 7617)

What passes is the link as ever: with ``wss`` TLS is between the two ends of the tunnel, and the proxy sees
the exit node's name and port and nothing else.
"""
