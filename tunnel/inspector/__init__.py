"""The inspector: what passes through a client, seen in a browser on the same machine.

Map
    ``options``    what is kept, and where the page is
    ``news``       the lock of all that is kept, and the count of its changes
    ``exchanges``  an exchange as it is kept: heads, capped content, the moments that are known
    ``store``      the exchanges, the oldest thrown away first
    ``frames``     the links' frames as they passed, and the windows of their streams
    ``observer``   the client's exchanges and sessions that take notes of what they do
    ``replay``     an exchange once more, as it was or edited
    ``masking``    which values are secrets, and what stands in their place
    ``contents``   content for people: JSON, text, or bytes in hexadecimal
    ``hops``       what each hop did to the header fields, and which RFC asks for it
    ``views``      an exchange as the page and the HAR show it
    ``har``        exchanges as an HTTP Archive 1.2
    ``guard``      who may ask: this machine's browser, for this page
    ``web``        the page and its API
    ``service``    the page on a port, in a thread of its own

Two threads of control meet here: the client's event loop writes, the page's threads read, each under the
lock of ``news``.  Secrets are kept as they passed, since a replay needs them, and leave only masked.
"""
