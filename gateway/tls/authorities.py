"""The CAs that sign the certificates of callers, and their certificate revocation lists.

A list is known for each CA, or for none. If lists are used, the certificate of a caller is accepted only if
its issuer is one of the CAs. So an intermediate CA has to be in `client_ca`, with its list in `crl`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from gateway.faults import Fault, FaultsError, Position
from gateway.tls.client_certificates import Verdict
from gateway.tls.pem_files import load_certificates, load_crls

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

EXPIRED = "CERTIFICATE_EXPIRED"
REVOKED = "CERTIFICATE_REVOKED"
UNTRUSTED = "CERTIFICATE_UNTRUSTED"
UNVERIFIED = "CERTIFICATE_UNVERIFIED"

_UNKNOWN_ISSUER = (
    "the gateway has no revocation list of the CA that issued the client certificate; ask the operator of "
    "the gateway to add the CA to client_ca, and its list to crl"
)


class Authorities:
    """CAs with their certificate revocation lists.

    Attributes:
        certificates: the certificates of the CAs.
    """

    def __init__(
        self,
        certificates: Sequence[x509.Certificate],
        crls: Sequence[x509.CertificateRevocationList | None],
        before: Iterable[x509.Certificate] = (),
    ) -> None:
        """Initialize the object.

        Args:
            certificates: the certificates of the CAs.
            crls: the list of each CA, in the order of the CAs; None for each CA if no lists are used.
            before: the certificates of CAs that were trusted before.
        """
        self.certificates = tuple(certificates)
        self._crls = dict(zip(self.certificates, crls, strict=True))
        self._uses_crls = any(one is not None for one in crls)
        self._before = tuple(dict.fromkeys(before))

    def replace(
        self, certificates: Sequence[x509.Certificate], crls: Sequence[x509.CertificateRevocationList | None]
    ) -> Authorities:
        """Return other authorities, which know that those of this object were trusted before."""
        return Authorities(certificates, crls, (*self._before, *self.certificates))

    def examine(self, certificate: bytes) -> Verdict:
        """Return the verdict on the certificate of a caller.

        Args:
            certificate: the certificate in DER form. The TLS handshake has verified it.
        """
        try:
            one = x509.load_der_x509_certificate(certificate)
            return self._examine(one)
        except (ValueError, UnsupportedAlgorithm):
            return _refusal(UNVERIFIED, "the client certificate cannot be read")

    def _examine(self, certificate: x509.Certificate) -> Verdict:
        end = certificate.not_valid_after_utc
        message = f"the client certificate has expired at {_show(end)}; connect with a new one"
        verdict = Verdict(until=end.timestamp(), reason=EXPIRED, message=message)
        issuer = find_issuer(certificate, self.certificates)
        if issuer is None and find_issuer(certificate, self._before) is not None:
            return _refusal(
                UNTRUSTED, "the CA of the client certificate is not trusted any more; use another one"
            )
        if not self._uses_crls:
            return verdict
        if issuer is None:
            return _refusal(
                UNVERIFIED,
                _UNKNOWN_ISSUER,
            )
        for subject, signer in self._chain(certificate, issuer):
            verdict = min(verdict, self._examine_link(subject, signer), key=lambda one: one.until)
        return verdict

    def _chain(
        self, certificate: x509.Certificate, issuer: x509.Certificate
    ) -> Iterator[tuple[x509.Certificate, x509.Certificate]]:
        """Yield each certificate of a chain with its issuer. CAs that signed themselves have no issuer."""
        seen: set[x509.Certificate] = set()
        subject, signer = certificate, issuer
        while signer not in seen:
            yield subject, signer
            seen.add(signer)
            others = [one for one in self.certificates if one.subject != signer.subject]
            above = find_issuer(signer, others)
            if above is None:
                return
            subject, signer = signer, above

    def _examine_link(self, certificate: x509.Certificate, issuer: x509.Certificate) -> Verdict:
        crl = self._crls[issuer]
        if crl is None or crl.next_update_utc is None:
            raise AssertionError("each CA has a list, and each list has an end")
        if crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
            return _refusal(REVOKED, "the client certificate was revoked; connect with another one")
        message = (
            "the gateway cannot know whether the client certificate was revoked: the list of its CA is "
            f"out of date since {_show(crl.next_update_utc)}; ask the operator of the gateway to renew it"
        )
        return Verdict(until=crl.next_update_utc.timestamp(), reason=UNVERIFIED, message=message)

    def find_outdated(self, now: float) -> str:
        """Return a text about the first list that is out of date; empty if none is."""
        for issuer, crl in self._crls.items():
            if crl is not None and crl.next_update_utc is not None and crl.next_update_utc.timestamp() <= now:
                name = issuer.subject.rfc4514_string()
                since = _show(crl.next_update_utc)
                return f"the list of {name} is out of date since {since}: its certificates are refused"
        return ""


def load_authorities(
    client_ca: Path, crl: Path | None, section: str, before: Authorities | None = None
) -> tuple[Authorities, bytes]:
    """Load CAs and their lists. Return them, and the content of the file of CAs.

    Args:
        client_ca: the path of the certificates of the CAs.
        crl: the path of their lists; None if no lists are used.
        section: the configuration section that contains both paths, such as `rest.tls`.
        before: the authorities that are trusted at present.

    Raises:
        FaultsError: a file cannot be used, a list belongs to no CA, or a CA has no list.
    """
    file = load_certificates(client_ca, f"{section}.client_ca")
    crls: Sequence[x509.CertificateRevocationList | None] = [None] * len(file.certificates)
    if crl is not None:
        key = f"{section}.crl"
        found = load_crls(crl, key)
        messages = [*_find_crl_faults(found, file.certificates, client_ca)]
        if not messages:
            crls = [_latest(one, found) for one in file.certificates]
            messages = [
                f"contains no list of {ca.subject.rfc4514_string()}, a CA in {client_ca}"
                for ca, list_ in zip(file.certificates, crls, strict=True)
                if list_ is None
            ]
        if messages:
            raise FaultsError([Fault(Position(str(crl)), key, one) for one in messages])
    if before is not None:
        return before.replace(file.certificates, crls), file.data
    return Authorities(file.certificates, crls), file.data


def _find_crl_faults(
    crls: Iterable[x509.CertificateRevocationList], certificates: Sequence[x509.Certificate], client_ca: Path
) -> Iterator[str]:
    for crl in crls:
        name = crl.issuer.rfc4514_string()
        if not any(_has_signed(one, crl) for one in certificates):
            yield f"contains a list of {name} that no CA in {client_ca} has signed"
        elif crl.next_update_utc is None:
            yield f"contains a list of {name} without the time of the next update"
        elif any(one.critical for one in crl.extensions):
            yield (
                f"contains a list of {name} with a critical extension; delta, indirect and partitioned lists "
                "are not supported"
            )


def _latest(
    certificate: x509.Certificate, crls: Iterable[x509.CertificateRevocationList]
) -> x509.CertificateRevocationList | None:
    own = (one for one in crls if _has_signed(certificate, one))
    return max(own, key=lambda one: one.last_update_utc, default=None)


def _has_signed(certificate: x509.Certificate, crl: x509.CertificateRevocationList) -> bool:
    try:
        return crl.issuer == certificate.subject and crl.is_signature_valid(certificate.public_key())  # type: ignore[arg-type]
    except (ValueError, TypeError, UnsupportedAlgorithm):  # the key is of another kind than the signature
        return False


def find_issuer(
    certificate: x509.Certificate, candidates: Iterable[x509.Certificate]
) -> x509.Certificate | None:
    """Return the certificate that has signed another one; None if there is none."""
    for one in candidates:
        try:
            certificate.verify_directly_issued_by(one)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            continue
        return one
    return None


def _refusal(reason: str, message: str) -> Verdict:
    return Verdict(until=0, reason=reason, message=message)


def _show(time_of: datetime) -> str:
    return time_of.astimezone(UTC).isoformat().replace("+00:00", "Z")
