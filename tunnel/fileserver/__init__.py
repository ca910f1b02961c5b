"""A folder over HTTP, to be read only: a service that a tunnel can share.

Map
    ``app``     the application: who may read, conditional requests, ranges, the listing
    ``places``  from a request's path to a file inside the folder, and to nothing else

It is a service like any other: nothing in the tunnel's own traffic knows of it.
"""
