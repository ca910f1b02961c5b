"""``tunnel doctor``: which hop of the way between a visitor and a service fails, and what to do about it.

Map
    ``findings``  what was looked at and what came of it
    ``probe``     asks an exit node whether it holds the token, claiming nothing: a client that runs goes on
    ``hops``      one function a hop, from the name of the exit node to the speed of the whole way

It looks from the client's machine, as the client would.
"""
