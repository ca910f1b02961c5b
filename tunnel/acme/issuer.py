"""One order at an ACME issuer (RFC 8555, section 7.4), with certbot's library, which blocks."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from acme import challenges, client, crypto_util, errors, messages
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from tunnel import __version__
from tunnel.acme.patience import FailureKind
from tunnel.acme.proofs import ProofFailed, Prover
from tunnel.https_options import AcmeOptions

__all__ = ["IssueFailed", "Issuer"]

_log = logging.getLogger(__name__)

_REQUEST_S = 30
_ORDER_S = 180.0  # from the proof's being in place to the certificate
_MAX_WORDS = 300
_MAX_NONCES = 4


class IssueFailed(Exception):  # noqa: N818 - what happened
    """There is no certificate.  The text is the issuer's, or English, and may be shown."""

    def __init__(self, kind: FailureKind, detail: str, retry_after_s: float = 0.0) -> None:
        printable = "".join(each if each.isprintable() else " " for each in detail)
        super().__init__(" ".join(printable.split())[:_MAX_WORDS])
        self.kind = kind
        self.retry_after_s = retry_after_s


class Issuer:
    """An account with an issuer.  To be used by one thread at a time."""

    def __init__(self, options: AcmeOptions, account_key: ec.EllipticCurvePrivateKey) -> None:
        self._options = options
        self._key = JWKEC(key=account_key)
        self._client: client.ClientV2 | None = None
        self._account: messages.RegistrationResource | None = None

    def obtain(self, name: str, prover: Prover) -> str:
        """Return a new key and a certificate for ``name`` with its chain (PEM, in this order).

        Raises:
            IssueFailed: why there is none.
        """
        network = _Network(self._key, self._options)
        try:
            with _told(network):
                if self._client is None:
                    self._client = self._connect(network)
                self._client.net = network  # with connections of its own: the last ones are long closed
                network.account = self._account
                return self._order(self._client, name, prover)
        except IssueFailed:
            self._client = None  # the directory may have moved, and the account may be gone
            raise
        finally:
            network.session.close()

    def _connect(self, network: _Network) -> client.ClientV2:
        """Return a client with the account that belongs to the key: the one there is, or a new one."""
        directory = client.ClientV2.get_directory(self._options.directory, network)
        connected = client.ClientV2(directory, network)
        if connected.external_account_required():
            raise IssueFailed(FailureKind.REFUSED, "it wants an account of its own (externalAccountRequired)")
        wanted = messages.NewRegistration.from_data(
            email=self._options.email or None, terms_of_service_agreed=True
        )
        try:
            self._account = connected.new_account(wanted)
        except errors.ConflictError as error:  # the key is known: this is where its account is
            self._account = messages.RegistrationResource(uri=error.location, body=messages.Registration())
        return connected

    def _order(self, connected: client.ClientV2, name: str, prover: Prover) -> str:
        key = ec.generate_private_key(ec.SECP256R1())
        key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        order = connected.new_order(crypto_util.make_csr(key_pem, [name]))
        placed: list[tuple[str, str, str]] = []
        answers: list[tuple[messages.ChallengeBody, challenges.KeyAuthorizationChallengeResponse]] = []
        try:
            for authorization in order.authorizations:
                if authorization.body.status == messages.STATUS_VALID:
                    continue  # from a former order: issuers remember
                challenge = _pick(authorization.body, prover.challenge)
                response, value = challenge.response_and_validation(self._key)
                proof = authorization.body.identifier.value, challenge.chall.encode("token"), value
                placed.append(proof)
                prover.put(*proof)
                answers.append((challenge, response))
            if answers:
                prover.settle()
            for challenge, response in answers:
                connected.answer_challenge(challenge, response)
            deadline = datetime.now() + timedelta(seconds=_ORDER_S)
            order = connected.poll_authorizations(order, deadline)
        finally:
            for proof in placed:
                try:
                    prover.take_away(*proof)
                except ProofFailed as error:
                    if len(answers) == len(placed):  # or it was never put there, which is told already
                        _log.warning("what proved %s is still there: %s", name, error)
        done = connected.finalize_order(order, deadline)
        return key_pem.decode() + done.fullchain_pem


class _Network(client.ClientNetwork):
    """The library's, which remembers what the issuer says of when to come back."""

    def __init__(self, key: JWKEC, options: AcmeOptions) -> None:
        super().__init__(key, alg=ES256, user_agent=f"tunelab/{__version__}", timeout=_REQUEST_S)
        self.retry_after_s = 0.0
        self.is_overloaded = False
        if options.ca_file is not None:
            self.verify_ssl = str(options.ca_file)  # type: ignore[assignment]  # requests takes a path too

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Post, with another nonce as often as the issuer dislikes one (RFC 8555, section 6.5)."""
        for _ in range(_MAX_NONCES):
            try:
                return super().post(*args, **kwargs)  # which tries twice
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*args, **kwargs)

    def _send_request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:
        response = super()._send_request(method, url, *args, **kwargs)
        self.is_overloaded = response.status_code in (429, 503)
        self.retry_after_s = 0.0
        if not response.ok:
            self.retry_after_s = _retry_after_s(response.headers.get("Retry-After", ""))
        return response


@contextlib.contextmanager
def _told(network: _Network) -> Iterator[None]:
    """Turn what the library raises into :class:`IssueFailed`."""
    try:
        yield
    except IssueFailed:
        raise
    except ProofFailed as error:
        raise IssueFailed(FailureKind.DNS, str(error)) from None
    except messages.Error as error:
        is_limit = error.code == "rateLimited" or network.is_overloaded
        kind = FailureKind.RATE_LIMITED if is_limit else FailureKind.REFUSED
        if error.code in ("badNonce", "serverInternal"):
            kind = FailureKind.UNREACHABLE
        raise IssueFailed(kind, _words(error), network.retry_after_s) from None
    except errors.ValidationError as error:
        found = [
            _words(challenge.error)
            for authorization in error.failed_authzrs
            for challenge in authorization.body.challenges
            if challenge.error is not None
        ]
        raise IssueFailed(FailureKind.REFUSED, "; ".join(found) or "the proof was not accepted") from None
    except errors.IssuanceError as error:
        raise IssueFailed(FailureKind.REFUSED, _words(error.error)) from None
    except errors.TimeoutError:
        raise IssueFailed(FailureKind.REFUSED, "it took too long") from None
    except requests.RequestException as error:
        raise IssueFailed(FailureKind.UNREACHABLE, _cause(error)) from None
    except (errors.Error, JoseError, KeyError, ValueError) as error:
        detail = f"what answers there is no ACME issuer ({type(error).__name__})"
        raise IssueFailed(FailureKind.UNREACHABLE, detail, network.retry_after_s) from None


def _pick(authorization: messages.Authorization, wanted: str) -> messages.ChallengeBody:
    for challenge in authorization.challenges:
        is_known = isinstance(challenge.chall, challenges.KeyAuthorizationChallenge)
        if is_known and challenge.chall.typ == wanted:
            return challenge
    offered = ", ".join(challenge.chall.typ for challenge in authorization.challenges)
    raise IssueFailed(FailureKind.REFUSED, f"it does not take {wanted} for this name, only {offered}")


def _words(error: messages.Error) -> str:
    """Return what a problem document says (RFC 8555, section 6.7), with those in it."""
    pieces = [f"{error.code or error.typ}: {error.detail or error.title or ''}"]
    pieces += [_words(each) for each in error.subproblems or ()]
    return "; ".join(pieces)


def _cause(error: requests.RequestException) -> str:
    """Return what is at the bottom of it; requests wraps it in layers that repeat the URL."""
    cause: BaseException = error
    while True:
        inner = getattr(cause, "reason", None) or (cause.args[0] if cause.args else None)
        if not isinstance(inner, BaseException):
            return str(cause).rpartition(": ")[2] or type(error).__name__
        cause = inner


def _retry_after_s(text: str) -> float:
    """Return what a Retry-After says (RFC 9110, section 10.2.3): seconds or a date; 0 for anything else."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    return 0.0
