"""Print this machine's addresses, each with who can reach it; `--solo` prints the one that others see."""

import ipaddress
import socket
import sys

# Reserved for documentation (RFC 5737): nobody has it. A UDP socket that connects sends nothing; the system
# only chooses from which of its addresses it would go out.
SOMEBODY_OUTSIDE = ("192.0.2.1", 9)


def address_for_others() -> str | None:
    """Return the address with which this machine goes out, or None without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(SOMEBODY_OUTSIDE)
        except OSError:
            return None
        return str(probe.getsockname()[0])


def main() -> None:
    own = address_for_others()
    if sys.argv[1:] == ["--solo"]:
        print(own or "ninguna")
        return
    print("127.0.0.1: el equipo consigo mismo; ninguna red la alcanza")
    if own is None:
        print("ninguna otra: el equipo no tiene red")
    elif ipaddress.ip_address(own).is_private:
        print(f"{own}: privada; la alcanza su red, y en Internet nadie tiene una ruta hasta ella")
    else:
        print(f"{own}: pública; la alcanza quien deje pasar el cortafuegos")


if __name__ == "__main__":
    main()
