"""``tunnel exit-node paquete``: the files that a machine at Google reads at its start."""

from __future__ import annotations

import argparse

from tunnel.config import CONTROL_PORT, DATA_PORT
from tunnel.exitnodes.files import make_private_folder
from tunnel.exitnodes.gcp.files import write_files
from tunnel.exitnodes.model import Order, Student

__all__ = ["run"]


def run(options: argparse.Namespace) -> int:
    """Write them."""
    order = Order(
        "gcp",
        "nodo",
        make_private_folder(options.carpeta_destino.absolute()),
        data_port=DATA_PORT if options.port is None else options.port,
        control_port=CONTROL_PORT if options.control_port is None else options.control_port,
        tcp_ports=options.tcp or (),
        students=(Student("1", "1"),) if options.compartido else (),
    )
    write_files(order)
    return 0
