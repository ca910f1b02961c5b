"""Visitors who log in with an account that they have: OpenID Connect, the authorization code flow.

Map
    ``options``   what a site says of its provider and of who may come
    ``provider``  talks to the provider, and believes nothing that is not signed (blocking; threads)
    ``seal``      what the browser keeps of a login
    ``login``     judges requests: to the provider, back from it, through

Everything but ``options`` is imported when a site asks for it, and with it Authlib (``tunelab[oidc]``).
"""
