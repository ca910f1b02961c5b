"""A folder over HTTP, to be read only: a service that a tunnel can share.

Map
    ``app``      the application: who may read, which file is meant, the listing
    ``sending``  an open file as a response: conditional requests, ranges, its name
    ``places``   from a request's path to something open inside the folder, and to nothing else
    ``running``  the application in a thread, for ``tunnel client --carpeta``

It is a service like any other: nothing in the tunnel's own traffic knows of it.
"""
