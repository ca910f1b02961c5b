"""What can be seen of a lab from outside its programs.

The map::

    faults        a fault on the path of a request, as the diagnosis of a check
    machine       the machine that is looked at: who listens, which tunnel clients run, and how to freeze them
    application   the application itself: does it answer, and to whom
    public_side   what answers at the public address: a tunnel, an exposed application, a proxy, a copy
    tunnel        the tunnel at work: a client, a task that passes, a cut, the return

Each ``find_*`` looks at one fact and returns None when it holds, and otherwise the diagnosis.
"""
