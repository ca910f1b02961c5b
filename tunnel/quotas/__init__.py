"""What a token may take of the exit node, all of its clients together: streams at once, and bandwidth.

Map
    ``bucket``  so many bytes a second, and the flows that wait for theirs
    ``paced``   a stream whose bytes wait for the bucket, in both directions
    ``quota``   a token's quota, and the sessions that share it

A session makes plain streams until it is given a quota with a bandwidth: what is not limited costs nothing.
Nothing of it is loaded before a token has a quota (``max_streams`` and ``bandwidth`` in the tokens file).
"""
