"""The agent's checks of its own services, so that visitors are sent where somebody answers.

Map
    ``checks``  asks each service every few seconds, and tells what has changed

Nothing of it is loaded before somebody asks for checks (``--health``).  The exit node's side is
:mod:`tunnel.balance`; PROTOCOL.md, section 9.4.
"""
