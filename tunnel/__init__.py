"""A self-hosted tunnel: a service on a private network, shared through an exit node.

Map
    ``protocol``     the link's wire protocol, without I/O
    ``http``         HTTP/1.1 as a message format, without I/O
    ``transport``    asyncio: the websocket link, visitors' connections, upstream connections
    ``server``       the exit node: wiring and lifecycle
    ``connected``    one client, as the exit node has it
    ``client``       the agent beside the private service: wiring and lifecycle
    ``exitnodes``    where exit nodes are made and removed: this machine, a virtual one, clouds
    ``fileserver``   a folder over HTTP, a service to share
    ``inspector``    what passes through a client, in a browser on its machine
    ``proxy``        agent: out through a corporate proxy
    ``service``      the program under systemd: its unit, and what systemd is told
    ``sni``          TLS services told apart by their name, decrypted only at home
    ``metrics``      what a server or a client counts, for people and for Prometheus
    ``routing``      which client serves which name
    ``balance``      which client of several that share a name is next
    ``quotas``       exit node: what a token may take, in streams and bytes a second
    ``health``       agent: are its services well?
    ``access``       whose token is whose
    ``sites``        exit node: who may visit which name, from where and how often
    ``certificate_files``  exit node: a certificate and its key that somebody else keeps in date
    ``encryption``   exit node: TLS on the control plane
    ``acme``         exit node: visitors' certificates from an issuer, proven and renewed
    ``https``        exit node: HTTPS for visitors, a certificate for each name
    ``passages``     exit node: which requests passed, for the token's holder
    ``mtls``         client certificates, in place of tokens
    ``state``        exit node: its CA, kept from one run to the next
    ``connection``   the file that tells a client all it needs
    ``sources``      where connections come from, and how much comes from there
    ``https_options``  HTTPS for visitors, as it was asked for
    ``limits``       what one visitor, one client and one source may take
    ``config``       frozen configuration, read and checked; secrets that cannot be printed
    ``trust``        agent: how the exit node's certificate is known
    ``identity``     agent: where its own certificate is, if it shows one
    ``secret_files`` tokens, and whatever else only its owner may read
    ``watching``     files that are read again when they have changed
    ``toml_text``    TOML that people write, and what is wrong with it
    ``unit_text``    what is changed in a systemd unit
    ``events``       what a server or a client tells those who run it
    ``os_errors``    why the system refused, in Spanish
    ``cli``          the command ``tunnel``

A byte's way: a visitor's socket → ``transport.visitor`` (parses the request) → ``transport.exchange``
(opens a stream) → ``protocol.session`` → ``transport.link`` (one websocket) → the agent's
``protocol.session`` → ``transport.agent`` → ``transport.upstream`` → the service.
"""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__version__"]

try:
    __version__ = version("tunelab")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"
