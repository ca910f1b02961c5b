"""HTTP/1.1 as a message format, without any I/O.

Map
    ``errors``       a message that breaks the rules, with the status it earns
    ``head``         request and response heads: parsed strictly, nothing ambiguous survives
    ``body``         where a body ends: Content-Length, chunked, or the end of the connection
    ``fields``       which header fields cross a hop, and which the edge sets anew
    ``forwarded``    who the visitor is, behind a proxy that is trusted
    ``wire``         a head as the payload of an OPEN or HEAD frame
    ``error_pages``  what a visitor sees when a hop fails: stable codes, Spanish pages

"Field" is RFC 9110's word for what is often called a header.
"""
