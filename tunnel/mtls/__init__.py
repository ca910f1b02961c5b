"""Client certificates, an alternative to tokens (PROTOCOL.md, section 2.4).

Map
    ``showing``  the agent's side: its certificate and key, put into the TLS context of each dial
    ``guests``   the exit node's side: who has shown a certificate, and which entry of the tokens file it is
    ``facts``    what a certificate says, for ``tunnel cert show``

Only ``facts`` knows more of X.509 than the standard library, and no link needs it.  A CA for clients, and
what it signs, is made where the exit node's own is: ``tunnel.state.certificates``.
"""
