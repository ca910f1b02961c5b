"""The three places where a lab can be done."""

import enum


class Mode(enum.Enum):
    """Where the lab's machines are; the value is what ``--modo`` takes.

    ``local``: everything on this machine's loopback. ``vm``: inside the virtual machine ``laptop``, with the
    machine ``exit-node`` as the public side. ``nube``: here, with an exit node on the Internet.
    """

    LOCAL = "local"
    VM = "vm"
    CLOUD = "nube"


MODES = tuple(mode.value for mode in Mode)
