"""The first hops where the way out leads through a proxy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tunnel.config import ControlAddress, ProxyServer
from tunnel.doctor.findings import Finding, Verdict
from tunnel.proxy.connect import ProxyDenied, ProxyFailed, open_through

__all__ = ["PROXY_TITLE", "look_through"]

PROXY_TITLE = "el proxy de salida"

_ANSWER_S = 10.0
_ADVICE_DOWN = "Revise la dirección en --proxy o HTTPS_PROXY; si es esa, pregunte a quien administra la red."


async def look_through(
    proxy: ProxyServer,
    address: ControlAddress,
    of_detail: Callable[[str], str],
    of_refusal: Callable[[str], str],
) -> tuple[Finding, tuple[Verdict, str, str]]:
    """Ask the proxy for the way to the exit node, and leave.

    Returns:
        The finding on the proxy; verdict, detail and advice on the port behind it.
    """
    where, unseen = proxy.authority, (Verdict.SKIPPED, "depende de lo anterior", "")
    began = time.monotonic()
    try:
        async with asyncio.timeout(_ANSWER_S):
            sock = await open_through(proxy, address)
    except ProxyDenied as error:
        return _finding(Verdict.BAD, f"{where}: {of_refusal(error.code)}", "Revise --proxy."), unseen
    except ProxyFailed as error:
        told = of_detail(str(error))
        if error.is_beyond:
            advice = (
                "Vea si el nodo de salida está en marcha, y si su cortafuegos deja entrar por ese puerto."
            )
            return _finding(Verdict.GOOD, f"{where} contesta"), (Verdict.BAD, told, advice)
        if error.is_down:
            return _finding(Verdict.BAD, told, _ADVICE_DOWN), unseen
        advice = (
            "Pida a quien administra la red que deje salir por CONNECT hacia ese puerto, o ponga el plano de "
            "control en el 443; y revise --proxy o HTTPS_PROXY."
        )
        return _finding(Verdict.BAD, told, advice), unseen
    except TimeoutError:
        return _finding(Verdict.BAD, f"{where}: no hubo respuesta a tiempo", _ADVICE_DOWN), unseen
    sock.close()
    taken = f"{(time.monotonic() - began) * 1000:.0f} ms"
    good = f"el puerto {address.port} contestó por el proxy en {taken}"
    return _finding(Verdict.GOOD, f"{where} abre el camino"), (Verdict.GOOD, good, "")


def _finding(verdict: Verdict, detail: str, advice: str = "") -> Finding:
    return Finding("proxy", PROXY_TITLE, verdict, detail, advice)
