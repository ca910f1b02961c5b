"""What a provider says is believed only when it is signed, for us, now, and of a verified address."""

from __future__ import annotations

import hmac
import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.tunnel.unit.kit import assert_spanish
from tunnel.config import ConfigError, Secret
from tunnel.sites.file import parse_sites
from tunnel.sites.oidc.options import OidcOptions, parse_oidc
from tunnel.sites.oidc.provider import LoginFailed, Provider, ProviderUnavailable
from tunnel.sites.oidc.seal import Seal, Sealed

NONCE = "nonce-0123456789"
CLIENT = "tunel"

KEY = RSAKey.generate_key(2048, {"kid": "1"}, private=True)
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "1"}, private=True)
NEXT_KEY = RSAKey.generate_key(2048, {"kid": "2"}, private=True)

Json = dict[str, Any]


class Issuer:
    """A provider that says whatever a test likes."""

    def __init__(self) -> None:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self._answer()

            def _answer(self) -> None:
                issuer.asked.append(self.path)
                status, body = issuer.answers.get(self.path, (404, {}))
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.asked: list[str] = []
        self.metadata: Json = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/me",
        }
        self.answers: dict[str, tuple[int, Json | bytes]] = {
            "/.well-known/openid-configuration": (200, self.metadata),
            "/keys": (200, {"keys": [KEY.as_dict(private=False)]}),
        }
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def claims(self) -> Json:
        """Claims that are as they should be."""
        now = int(time.time())
        return {
            "iss": self.url,
            "aud": CLIENT,
            "sub": "248289761001",
            "exp": now + 300,
            "iat": now,
            "nonce": NONCE,
            "email": "ana@example.com",
            "email_verified": True,
        }

    def give(self, id_token: str) -> None:
        """Answer the next code with this token."""
        token = {"access_token": "x", "token_type": "Bearer", "expires_in": 300, "id_token": id_token}
        self.answers["/token"] = 200, token

    def email(self) -> str:
        """Return whom a login ends as."""
        return Provider(options(self.url)).verified_email("http://x/cb", "code", NONCE, "v" * 43)


def options(issuer: str) -> OidcOptions:
    return OidcOptions(issuer, CLIENT, Secret("secreto"), b"", frozenset(["ana@example.com"]), frozenset())


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.close()


def signed(claims: Json, key: RSAKey = KEY) -> str:
    return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)


def test_a_token_that_is_as_it_should_be_is_believed(issuer: Issuer) -> None:
    issuer.give(signed(issuer.claims))
    assert issuer.email() == "ana@example.com"


Change = Callable[[Json], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda claims: claims.update(iss="https://otro.example"),
        lambda claims: claims.update(aud="otro"),
        lambda claims: claims.update(aud=["tunel", "otro"]),
        lambda claims: claims.update(azp="otro"),
        lambda claims: claims.update(exp=claims["exp"] - 1000),
        lambda claims: claims.update(iat=claims["iat"] + 1000),
        lambda claims: claims.update(nonce="otro"),
        lambda claims: claims.pop("nonce"),
        lambda claims: claims.pop("exp"),
        lambda claims: claims.pop("aud"),
        lambda claims: claims.pop("sub"),
        lambda claims: claims.update(email_verified=False),
        lambda claims: claims.update(email_verified="false"),
        lambda claims: claims.pop("email_verified"),
        lambda claims: claims.update(email="ana@example.com\r\nX-Real-IP: 1"),
        lambda claims: claims.update(email=["ana@example.com"]),
        lambda claims: claims.update(email="sin-arroba"),
    ],
)
def test_claims_that_are_not_are_not_believed(issuer: Issuer, change: Change) -> None:
    claims = issuer.claims
    change(claims)
    issuer.give(signed(claims))
    with pytest.raises(LoginFailed):
        issuer.email()


def handmade(header: Json, claims: Json, sign: Callable[[bytes], bytes]) -> str:
    """Return a token that no library would make."""

    def encode(data: bytes) -> bytes:
        return urlsafe_b64encode(data).rstrip(b"=")

    body = b".".join(encode(json.dumps(part).encode()) for part in (header, claims))
    return (body + b"." + encode(sign(body))).decode()


def unsigned(claims: Json) -> str:
    return handmade({"alg": "none"}, claims, lambda _: b"")


def with_the_public_key_as_a_secret(claims: Json) -> str:
    """The confusion of RFC 8725, section 2.1: an HMAC whose key everybody knows."""
    key = KEY.as_pem(private=False)
    return handmade({"alg": "HS256", "kid": "1"}, claims, lambda body: hmac.digest(key, body, "sha256"))


@pytest.mark.parametrize(
    "sign",
    [
        lambda claims: signed(claims, OTHER_KEY),
        lambda claims: signed(claims)[:-6] + "AAAAAA",
        unsigned,
        with_the_public_key_as_a_secret,
        lambda claims: "",
        lambda claims: "a.b.c",
    ],
    ids=["another key", "changed", "none", "the public key as a secret", "empty", "no token"],
)
def test_signatures_that_are_not_the_provider_s_are_not_believed(
    issuer: Issuer, sign: Callable[[Json], str]
) -> None:
    issuer.give(sign(issuer.claims))
    with pytest.raises(LoginFailed):
        issuer.email()


def test_a_key_that_is_new_is_asked_for_once(issuer: Issuer) -> None:
    provider = Provider(options(issuer.url))
    issuer.give(signed(issuer.claims))
    arguments = "http://x/cb", "code", NONCE, "v" * 43
    assert provider.verified_email(*arguments)
    issuer.answers["/keys"] = 200, {"keys": [NEXT_KEY.as_dict(private=False)]}
    provider._keys_s -= 61
    issuer.give(signed(issuer.claims, NEXT_KEY))
    assert provider.verified_email(*arguments)
    issuer.give(signed(issuer.claims, OTHER_KEY))
    for _ in range(3):
        with pytest.raises(LoginFailed):
            provider.verified_email(*arguments)
    assert issuer.asked.count("/keys") == 2
    assert issuer.asked.count("/.well-known/openid-configuration") == 1


def test_an_address_may_be_told_apart_of_the_same_account_only(issuer: Issuer) -> None:
    claims = issuer.claims
    about = {key: claims.pop(key) for key in ("email", "email_verified")}
    issuer.give(signed(claims))
    issuer.answers["/me"] = 200, about | {"sub": claims["sub"]}
    assert issuer.email() == "ana@example.com"
    issuer.answers["/me"] = 200, about | {"sub": "otro"}
    with pytest.raises(LoginFailed):
        issuer.email()


def test_a_code_that_is_not_taken_is_a_login_that_failed(issuer: Issuer) -> None:
    issuer.answers["/token"] = 400, {"error": "invalid_grant"}
    with pytest.raises(LoginFailed):
        issuer.email()


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/.well-known/openid-configuration", (500, {})),
        ("/.well-known/openid-configuration", (200, b"<html>")),
        ("/.well-known/openid-configuration", (200, b"[]")),
        ("/.well-known/openid-configuration", (200, b'"' + b"x" * 2_000_000 + b'"')),
        ("/token", (500, b"<html>")),
        ("/token", (200, b"<html>")),
        ("/keys", (404, {})),
        ("/keys", (200, {"claves": []})),
    ],
)
def test_a_provider_out_of_order_is_not_available(
    issuer: Issuer, path: str, answer: tuple[int, Json | bytes]
) -> None:
    issuer.give(signed(issuer.claims))
    issuer.answers[path] = answer
    with pytest.raises(ProviderUnavailable):
        issuer.email()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("issuer", "http://otro.example"),
        ("token_endpoint", "http://otro.example/token"),
        ("jwks_uri", None),
        ("authorization_endpoint", "http://127.0.0.1/\r\nX: y"),
    ],
)
def test_metadata_that_lead_elsewhere_are_not_followed(issuer: Issuer, name: str, value: object) -> None:
    issuer.metadata[name] = value
    with pytest.raises(ProviderUnavailable):
        issuer.email()


def test_a_provider_that_is_away_is_not_asked_for_every_visitor(issuer: Issuer) -> None:
    provider = Provider(options(issuer.url))
    working = issuer.answers["/.well-known/openid-configuration"]
    issuer.answers["/.well-known/openid-configuration"] = 500, {}
    for _ in range(5):
        with pytest.raises(ProviderUnavailable):
            provider.authorization_url("http://x/cb", "estado", NONCE, "v" * 43)
    assert len(issuer.asked) == 1
    issuer.answers["/.well-known/openid-configuration"] = working
    provider._failed_s -= 3
    assert provider.authorization_url("http://x/cb", "estado", NONCE, "v" * 43)


# ── what a site says ─────────────────────────────────────────────────────────────────────────────

GOOD = """\
issuer = "https://id.example"
client_id = "x"
client_secret_file = "secreto"
emails = ["Ana@example.com"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    secret = tmp_path / "secreto"
    secret.touch(mode=0o600)
    secret.write_text("un secreto\n")
    return tmp_path


def parsed(folder: Path, lines: str) -> OidcOptions:
    (site,) = parse_sites(f'[site."ana.example".oidc]\n{lines}', folder / "sitios.toml")
    assert site.oidc is not None
    assert site.files == (folder / "secreto",)
    return site.oidc


def test_a_site_names_its_provider_and_who_may_come(folder: Path) -> None:
    found = parsed(folder, GOOD + 'domains = ["curso.example"]\nsession = "7d"\n')
    assert found.issuer == "https://id.example"
    assert found.client_secret.reveal() == "un secreto"
    assert found.session_s == 7 * 86400
    assert found.allows("ana@EXAMPLE.com")
    assert found.allows("quien@curso.example")
    assert not found.allows("quien@sub.curso.example")
    assert not found.allows("otra@example.com")
    assert not found.allows("ana@example.com@otra.example")
    assert found == parsed(folder, GOOD + 'domains = ["curso.example"]\nsession = "7d"\n')
    (folder / "secreto").write_text("otro secreto\n")
    assert found != parsed(folder, GOOD + 'domains = ["curso.example"]\nsession = "7d"\n')


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (GOOD + "x = 1", "clave que no existe"),
        (GOOD.replace("client_secret_file", "client_secret"), "¿Quiso decir client_secret_file?"),
        (GOOD.replace("https:", "http:"), "debe ir con https"),
        (GOOD.replace("https://id.example", "id.example"), "es una URL"),
        (GOOD.replace('emails = ["Ana@example.com"]', ""), "entraría cualquiera"),
        (GOOD.replace("Ana@example.com", "ana"), "no es un correo"),
        (GOOD + 'domains = ["@example.com"]', "no es un dominio"),
        (GOOD + 'domains = "example.com"', "es una lista"),
        (GOOD + 'session = "8 horas"', "cuánto dura"),
        (GOOD + 'session = "999d"', "cuánto dura"),
        (GOOD.replace('"secreto"', '"no-existe"'), "no existe"),
        (GOOD.replace('client_id = "x"', ""), "le falta client_id"),
    ],
)
def test_what_is_wrong_is_told(folder: Path, lines: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(folder, lines)
    assert words in str(caught.value)
    assert "un secreto" not in str(caught.value)
    assert_spanish(str(caught.value))
    with pytest.raises(ConfigError, match="es una tabla"):
        parse_oidc("https://id.example", folder)


# ── cookies ──────────────────────────────────────────────────────────────────────────────────────


def test_a_sealed_cookie_opens_for_what_it_was_made_and_while_it_lasts() -> None:
    seal = Seal(options("https://id.example"), "ana.example")
    made = Sealed("session", "ana.example", ("ana@example.com",))
    value = seal.close(made, 1000.0).encode()
    assert b"=" not in value
    assert seal.open(value, "session", "ana.example", 60, 1059.0) == made
    assert seal.open(value, "session", "ana.example", 60, 1061.0) is None
    assert seal.open(value, "login", "ana.example", 60, 1000.0) is None
    assert seal.open(value, "session", "luis.example", 60, 1000.0) is None
    others = Seal(options("https://id.example"), "*"), Seal(options("https://otro.example"), "ana.example")
    for other in others:
        assert other.open(value, "session", "ana.example", 60, 1000.0) is None
    for junk in (b"", b"a", b"\xff" * 40, value[:-1], value + b"AAAA"):
        assert seal.open(junk, "session", "ana.example", 60, 1000.0) is None
