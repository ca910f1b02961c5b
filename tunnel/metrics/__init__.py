"""What a server or a client counts, for people (``/status``) and for Prometheus (``/metrics``).

Nothing here is on the path of a visitor's bytes: links are read when somebody asks, and requests are counted
by two calls that the exit node makes only where it was asked to.

Map
    ``model``       a status: frozen, as JSON has it
    ``books``       what must be counted as it happens: requests by name, links that came and went
    ``exit_node``   reads a server; who may see what of it
    ``agent``       reads clients
    ``pages``       what is answered to whom
    ``exposition``  a status as Prometheus reads it; alone in knowing ``prometheus_client``
    ``asking``      asks a server or a client for its status, and reads it
    ``address``     where the pages are, as it was asked for
    ``listener``    ``/metrics`` and ``/status`` over HTTP, on an address of their own
"""
