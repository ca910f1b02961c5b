"""Exit nodes on rented machines, through Apache Libcloud (the extra ``tunelab[nube]``).

Map
    ``provider``      :class:`provider.CloudProvider`: the steps that every cloud shares
    ``adapter``       what differs from one cloud to the next: :class:`adapter.Cloud`
    ``ec2``           Amazon EC2, with its security group and its disks
    ``by_token``      DigitalOcean, Linode and Vultr: a machine, a name, an API token
    ``user_data``     what cloud-init does at the first boot
    ``keys``          the two key pairs of a node's SSH: ours, and the one that it shows at its first boot
    ``ssh``           the system's ``ssh``, held to the host key that we know
    ``delivery``      the parcel and the token, sent over SSH; the node's own host key, taken home
    ``credentials``   read from where each provider's own tools read them
    ``faults``        Libcloud's errors, in the kinds of :mod:`tunnel.exitnodes.errors`

How a node is trusted, and where the token goes
    Before the machine exists two key pairs are made: one to log in with, one that cloud-init installs as the
    machine's host key.  So the very first connection is verified, with no question asked and nothing believed
    on first use.  Over it go the program and the token: no secret of the tunnel is ever in the user data,
    which stays readable at the provider for as long as the machine lives.  The host key that *was* in the
    user data is then of no more use: the machine makes a new one, tells it over that same connection, and
    from then on only the new one is accepted.

None of this has been run against a real cloud.  EC2's calls are tested against moto, the others' against
Libcloud's own drivers and a local server that answers as the providers' references show.
"""
