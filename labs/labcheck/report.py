"""What happened, as a student would see it: an exchange as curl shows it, and a fault with its hop."""

import json
import re
import shlex
import sys
from collections.abc import Sequence

from labcheck.hops import Fault, Hop
from labcheck.proof import Exchange
from labcheck.terminal import Console

# A command longer than this goes on in the next line, so that it can be read, and copied, in 80 columns.
TYPED_COLUMNS = 72
CONTINUED = "  "

_OPTION = re.compile(r"--?[\w-]+")


def explain(console: Console, fault: Fault, indent: str = "  ") -> None:
    """Say which hop of the path failed, why it is thought to be that one, and what to do."""
    path = [
        console.paint(f"✗ {hop.value}", "red", "bold")
        if hop is fault.hop
        else console.paint(hop.value, "dim")
        for hop in Hop
    ]
    console.say(f"{indent}Tramo que falló: {' → '.join(path)}")
    console.say(f"{indent}{fault.reason}")
    console.say(f"{indent}{fault.advice}")


def typed(words: Sequence[str]) -> str:
    """Return a command as a person would type it: words quoted for the shell, long ones on several lines."""
    if sys.platform == "win32":
        return " ".join(words)
    groups: list[str] = []
    for word in map(shlex.quote, words):
        if groups and _OPTION.fullmatch(groups[-1]) and not _OPTION.fullmatch(word):
            groups[-1] += f" {word}"  # an option stays with its value
        else:
            groups.append(word)
    lines = groups[:1]
    for group in groups[1:]:
        if len(lines[-1]) + 1 + len(group) <= TYPED_COLUMNS:
            lines[-1] += f" {group}"
        else:
            lines.append(CONTINUED + group)
    return " \\\n".join(lines)


def command_line(exchange: Exchange, *, with_head: bool = False) -> str:
    """Return what a person would type for the same request; `with_head` asks for the headers too."""
    if sys.platform == "win32":
        return _windows_command_line(exchange, with_head=with_head)
    words = ["curl"]
    if with_head:
        words.append("-i")
    if exchange.method != "GET":
        words += ["-X", exchange.method]
    if exchange.body is not None:
        words += ["-d", json.dumps(exchange.body), "-H", "Content-type: application/json"]
    return typed([*words, exchange.url])


def _windows_command_line(exchange: Exchange, *, with_head: bool) -> str:
    # In PowerShell plain «curl» is another program, and each version of it takes the quotes of a JSON text
    # apart in its own way; Invoke-RestMethod takes them as they are.
    if exchange.body is None:
        return f"curl.exe {'-i ' if with_head else ''}{exchange.url}"
    body = json.dumps(exchange.body).replace("'", "''")
    return (
        f"Invoke-RestMethod -Method {exchange.method} -ContentType application/json "
        f"-Body '{body}' {exchange.url} | ConvertTo-Json"
    )


def answer_text(exchange: Exchange, *, with_head: bool = False) -> str:
    """Return the answer as received: its body, and before it the status line and the headers when asked."""
    response = exchange.response
    if response is None:
        return ""
    body = response.content.decode("utf-8", "replace").rstrip("\n")
    if not with_head:
        return body
    head = [f"HTTP/1.1 {response.status_code} {response.reason}"]
    head += [f"{name}: {value}" for name, value in response.headers.items()]
    return "\n".join([*head, "", body])
