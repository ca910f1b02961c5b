"""What turns a fresh Debian machine into an exit node, whoever rented it.

Map
    ``wheel``                 this very program as a wheel, from a checkout or from where it is installed
    ``parcel``                the folder that the installer works from, as an archive
    ``install-exit-node.sh``  the installer: runs on the node, as root
    ``rotate-host-key.sh``    a new SSH host key for a node whose first one came from outside

The parcel holds no secret.  The token (or the tokens file of a shared node) reaches the node beside it, by
whatever private way the provider has (an SSH session, a metadata value that is then removed), as a file of
the name of ``order.secret_file`` in the same folder; the installer moves it to ``/etc/tunelab`` and answers,
on its standard output, with the pin of the node's certificate authority.

How to use it, once unpacked as root in a folder that nobody else can enter::

    bash FOLDER/install-exit-node.sh FOLDER PUBLIC_ADDRESS
"""

from tunnel.exitnodes.install.parcel import INSTALLER, Parcel, archive, make_parcel

__all__ = ["INSTALLER", "Parcel", "archive", "make_parcel"]
