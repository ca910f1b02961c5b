"""Talks to an OpenID Connect provider, as Core 1.0, Discovery 1.0 and RFC 7636 have it.

Everything here blocks, and runs in threads.  What the provider says is believed when it is signed with one of
the keys that it publishes, or came over TLS from where its metadata say.
"""

from __future__ import annotations

import json
import math
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from tunnel.sites.oidc.options import OidcOptions, is_loopback_url, is_usable_email

__all__ = ["LoginFailed", "Provider", "ProviderUnavailable"]

_TIMEOUT_S = (5.0, 10.0)  # to connect, and between two pieces of an answer
_MAX_ANSWER_BYTES = 1024 * 1024
_METADATA_AGE_S = 3600.0
_KEYS_AGE_S = 60.0  # a key that is not known is looked for again, so often at most
_RETRY_S = 2.0  # one that is away is asked again, so often at most: each time may take all of a time limit
_LEEWAY_S = 60
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures with a key that the provider alone has: neither "none" nor a secret that others share."""


class LoginFailed(Exception):  # noqa: N818 - what the caller tells
    """What came back proves nothing.  The text is for the log, and holds nothing that is secret."""


class ProviderUnavailable(Exception):  # noqa: N818 - what the caller tells
    """The provider does not answer, or not as one.  The text is for the log."""


@dataclass(frozen=True, slots=True)
class _Metadata:
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str  # "" where there is none
    auth_method: str
    read_s: float


class Provider:
    """One site's provider."""

    def __init__(self, options: OidcOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._metadata: _Metadata | None = None
        self._keys: KeySet | None = None
        self._keys_s = 0.0
        self._failed_s = -math.inf

    def authorization_url(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Return where the visitor is to log in.  Raises ProviderUnavailable."""
        metadata = self._discover()
        with self._session(metadata, redirect_uri) as session:
            url, _ = session.create_authorization_url(
                metadata.authorization_endpoint, state=state, code_verifier=verifier, nonce=nonce
            )
        return str(url)

    def verified_email(self, redirect_uri: str, code: str, nonce: str, verifier: str) -> str:
        """Return the address of whoever logged in.

        Raises:
            LoginFailed: the code is not good, the signature is not, or the address is not verified.
            ProviderUnavailable: it does not answer.
        """
        metadata = self._discover()
        with self._session(metadata, redirect_uri) as session:
            try:
                token = session.fetch_token(
                    metadata.token_endpoint, code=code, code_verifier=verifier, timeout=_TIMEOUT_S
                )
            except AuthlibBaseError as error:
                raise LoginFailed(f"the code was not taken: {error.error}") from None
            except (requests.RequestException, ValueError) as error:
                raise ProviderUnavailable(type(error).__name__) from None
        id_token = token.get("id_token") if isinstance(token, dict) else None
        if not isinstance(id_token, str):
            raise LoginFailed("no id_token")
        claims = self._verified(id_token, nonce, metadata)
        subject, access_token = str(claims["sub"]), token.get("access_token")
        if "email" not in claims and metadata.userinfo_endpoint and isinstance(access_token, str):
            more = self._get(metadata.userinfo_endpoint, access_token)
            if more.get("sub") != subject:  # Core 1.0, section 5.3.2
                raise LoginFailed("userinfo is somebody else's")
            claims = more
        email = claims.get("email")
        if not isinstance(email, str) or not is_usable_email(email):
            raise LoginFailed("no e-mail address")
        if claims.get("email_verified") not in (True, "true"):  # a string with some providers
            raise LoginFailed("the e-mail address is not verified")
        return email

    def _verified(self, id_token: str, nonce: str, metadata: _Metadata) -> dict[str, object]:
        """Return the claims of an id_token, checked as Core 1.0, section 3.1.3.7, has it."""
        client_id = self._options.client_id
        try:
            try:
                token = jwt.decode(id_token, self._key_set(metadata), algorithms=_ALGORITHMS)
            except (JoseError, ValueError):  # signed with a key that is newer than ours, perhaps
                token = jwt.decode(id_token, self._key_set(metadata, is_renewed=True), algorithms=_ALGORITHMS)
            JWTClaimsRegistry(
                leeway=_LEEWAY_S,
                iss={"essential": True, "value": self._options.issuer},
                aud={"essential": True, "value": client_id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(token.claims)
        except (JoseError, ValueError) as error:
            raise LoginFailed(f"the id_token is not good: {type(error).__name__}") from None
        claims: dict[str, object] = dict(token.claims)
        audience = claims["aud"]
        is_for_several = isinstance(audience, list) and len(audience) > 1
        if claims.get("azp", None if is_for_several else client_id) != client_id:
            raise LoginFailed("the id_token is for another client")
        return claims

    # ── what the provider publishes ──────────────────────────────────────────────────────────────

    def _discover(self) -> _Metadata:
        with self._lock:
            known, failed_s = self._metadata, self._failed_s
        if known is not None and time.monotonic() - known.read_s < _METADATA_AGE_S:
            return known
        if time.monotonic() - failed_s < _RETRY_S:
            raise ProviderUnavailable("it was not a moment ago")
        try:
            metadata = self._read_metadata()
        except ProviderUnavailable:
            with self._lock:
                self._failed_s = time.monotonic()
            raise
        with self._lock:
            self._metadata = metadata
        return metadata

    def _read_metadata(self) -> _Metadata:
        found = self._get(f"{self._options.issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != self._options.issuer:  # Discovery 1.0, section 4.3
            raise ProviderUnavailable("the metadata are another issuer's")
        methods = found.get("token_endpoint_auth_methods_supported")
        posts = isinstance(methods, list) and "client_secret_basic" not in methods
        return _Metadata(
            authorization_endpoint=self._endpoint(found, "authorization_endpoint"),
            token_endpoint=self._endpoint(found, "token_endpoint"),
            jwks_uri=self._endpoint(found, "jwks_uri"),
            userinfo_endpoint=self._endpoint(found, "userinfo_endpoint")
            if "userinfo_endpoint" in found
            else "",
            auth_method="client_secret_post" if posts else "client_secret_basic",
            read_s=time.monotonic(),
        )

    def _endpoint(self, found: dict[str, object], name: str) -> str:
        url = found.get(name)
        if (
            isinstance(url, str)
            and url.isascii()
            and url.isprintable()
            and (
                urlsplit(url).scheme == "https"
                or (is_loopback_url(url) and is_loopback_url(self._options.issuer))
            )
        ):
            return url
        raise ProviderUnavailable(f"its {name} is not one of https")

    def _key_set(self, metadata: _Metadata, *, is_renewed: bool = False) -> KeySet:
        with self._lock:
            known, read_s = self._keys, self._keys_s
        age_s = time.monotonic() - read_s
        if known is not None and age_s < (_KEYS_AGE_S if is_renewed else _METADATA_AGE_S):
            return known
        found = self._get(metadata.jwks_uri)
        try:
            keys = KeySet.import_key_set(found)  # type: ignore[arg-type]
        except (JoseError, KeyError, TypeError, ValueError) as error:
            raise ProviderUnavailable(f"its keys: {type(error).__name__}") from None
        with self._lock:
            self._keys, self._keys_s = keys, time.monotonic()
        return keys

    def _get(self, url: str, access_token: str = "") -> dict[str, object]:
        headers = {"Accept": "application/json"}
        if access_token:
            headers["Authorization"] = f"Bearer {access_token}"
        data = b""
        try:
            with requests.get(
                url, headers=headers, timeout=_TIMEOUT_S, allow_redirects=False, stream=True
            ) as answer:
                if answer.status_code != 200:
                    raise ProviderUnavailable(f"status {answer.status_code}")
                for piece in answer.iter_content(64 * 1024):
                    data += piece
                    if len(data) > _MAX_ANSWER_BYTES:
                        raise ProviderUnavailable("an answer too long")
            found = json.loads(data)
        except (requests.RequestException, ValueError, RecursionError) as error:
            raise ProviderUnavailable(type(error).__name__) from None
        if not isinstance(found, dict):
            raise ProviderUnavailable("an answer that is no JSON object")
        return found

    def _session(self, metadata: _Metadata, redirect_uri: str) -> OAuth2Session:
        return OAuth2Session(
            self._options.client_id,
            self._options.client_secret.reveal(),
            token_endpoint_auth_method=metadata.auth_method,
            scope="openid email",
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
        )
