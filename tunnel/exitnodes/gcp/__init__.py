"""Exit nodes on Google Compute Engine, made and removed by ``gcloud``.

Map
    ``provider``    :class:`provider.GcpProvider`: choices, refusals, announcement, survivors
    ``project``     the steps of an account: the project, its billing, the API
    ``machine``     the steps of a node: its files, the firewall rule, the machine
    ``names``       what everything is called, and where it may be
    ``gcloud``      runs gcloud and translates its errors; parses what it lists
    ``files``       what the machine reads in its metadata, within Google's limits
    ``arranque.sh`` the startup script: runs on the machine, as root, at every boot

How a node is trusted, and where the token goes
    The program travels in the machine's metadata as an archive, the token as a value of its own, both from
    files of the node's private folder.  The startup script installs them and publishes the pin of the node's
    certificate authority as a *guest attribute*: only the machine itself writes those, and they are read with
    the student's own credentials over Google's API.  (The serial console says the same to a person, among
    all else that a boot writes; a line in it would have to be guessed.)  Once the node has answered with that
    certificate, ``confirmed`` takes the token out of the metadata.

Everything here has been run against the stand-in of :mod:`tunnel.exitnodes.simulation`, never against
Google's cloud.
"""
