"""Identifies callers by their client certificates, which a listener has verified.

The name of a caller is, in this order: its SPIFFE ID, the first URI, DNS name or mail address among the
subject alternative names, the whole subject. A common name alone is never the name of a caller, because many
authorities let callers choose it.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.callers.bounded_cache import BoundedCache
from gateway.callers.identity import CERTIFICATE, CallerIdentity, CredentialError, is_claim_text, is_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.callers.credentials import PresentedCredentials

MAX_CERTIFICATES = 1024
"""The maximum number of certificates whose names are kept."""

_SPIFFE = "spiffe://"
# https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md
_SPIFFE_ID = re.compile(r"spiffe://[a-z0-9._-]{1,255}(?:/[A-Za-z0-9._-]+)*")
# No name has the form of another type or of a subject, as `CN=ci`. Otherwise a caller whose authority lets it
# choose, for example, its mail address could get the name of a caller that is named by a URI.
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")
_DNS_NAME = re.compile(r"[A-Za-z0-9*._-]+")
_MAIL_ADDRESS = re.compile(r"[^@:=]+@[A-Za-z0-9._-]+")


class _Certificate:
    """The identity in a certificate, and the time in which the certificate is valid."""

    __slots__ = ("identity", "valid_from", "valid_until")

    def __init__(self, certificate: x509.Certificate) -> None:
        self.valid_from = certificate.not_valid_before_utc.timestamp()
        self.valid_until = certificate.not_valid_after_utc.timestamp()
        self.identity = _identify(certificate)


class CertificateVerifier:
    """Identifies callers by their client certificates."""

    kind = CERTIFICATE

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """Initialize the verifier.

        Args:
            now: a function that returns the time in seconds since 1970.
        """
        self._now = now
        self._known: BoundedCache[bytes, _Certificate] = BoundedCache(MAX_CERTIFICATES)

    @property
    def remembered(self) -> int:
        """The number of certificates whose names are kept."""
        return len(self._known)

    def is_present(self, given: PresentedCredentials) -> bool:
        """Return whether the caller has presented a certificate."""
        return given.certificate is not None

    def recall(self, given: PresentedCredentials) -> CallerIdentity | None:
        """Return the identity of a certificate that was read before and is valid now; otherwise None.

        A connection can last longer than its certificate. So the time is checked for each call.
        """
        known = self._known.get(given.certificate or b"")
        if known is None or not known.valid_from <= self._now() <= known.valid_until:
            return None
        return known.identity

    async def verify(self, given: PresentedCredentials) -> CallerIdentity:
        """Return the identity of a certificate.

        Raises:
            CredentialError: the certificate names no caller, or is not valid now.
        """
        certificate = given.certificate or b""
        known = self._known.get(certificate)
        if known is None:
            try:
                known = _Certificate(x509.load_der_x509_certificate(certificate))
            except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
                raise CredentialError("MALFORMED", "is malformed") from None
            self._known.put(certificate, known)
        if self._now() < known.valid_from:
            raise CredentialError("NOT_YET_VALID", "is not valid yet")
        if self._now() > known.valid_until:
            raise CredentialError("EXPIRED", "has expired; connect again with a new one")
        return known.identity


def _identify(certificate: x509.Certificate) -> CallerIdentity:
    subject = certificate.subject.rfc4514_string()
    name = _find_alternative_name(certificate) or subject
    if not is_name(name):
        raise CredentialError("NO_NAME", "contains no name that can be the name of a caller")
    claims = {
        "subject": subject,
        "issuer": certificate.issuer.rfc4514_string(),
        "serial": format(certificate.serial_number, "x"),
        "fingerprint": certificate.fingerprint(SHA256()).hex(),
    }
    return CallerIdentity(
        kind=CertificateVerifier.kind,
        id=name,
        claims={key: text for key, text in claims.items() if text and is_claim_text(text)},
    )


def _find_alternative_name(certificate: x509.Certificate) -> str:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ""
    names = extension.value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if any(uri.lower().startswith(_SPIFFE) for uri in uris):
        # https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md: exactly one URI
        if len(uris) > 1 or not _SPIFFE_ID.fullmatch(uris[0]):
            raise CredentialError("NO_NAME", "contains a SPIFFE ID that is malformed or not the only URI")
        return uris[0]
    for form, found in (
        (_URI, uris),
        (_DNS_NAME, names.get_values_for_type(x509.DNSName)),
        (_MAIL_ADDRESS, names.get_values_for_type(x509.RFC822Name)),
    ):
        if found and not form.fullmatch(found[0]):
            raise CredentialError("NO_NAME", "contains a subject alternative name that is malformed")
        if found:
            return found[0]
    return ""
