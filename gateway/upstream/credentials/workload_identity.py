"""Workload identity federation: the token of another system is exchanged for one of the cloud (RFC 8693)."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from gateway.faults import FaultCollector, FaultsError
from gateway.upstream.credentials.access_token import CredentialsError
from gateway.upstream.credentials.secret_files import read_token
from gateway.upstream.credentials.token_endpoint import TokenEndpoint

if TYPE_CHECKING:
    from gateway.config.credentials import WorkloadIdentityCredentials
    from gateway.upstream.credentials.access_token import AccessToken

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
REQUESTED_TYPE = "urn:ietf:params:oauth:token-type:access_token"


class TokenExchange:
    """Exchanges the token in a file for tokens of a service account.

    Raises:
        FaultsError: a file has faults.
    """

    def __init__(self, section: WorkloadIdentityCredentials, key: str) -> None:
        self._section = section
        self._key = f"{key}.token_file"
        faults = FaultCollector()
        with faults.part():
            self.load()
        tls: ssl.SSLContext | bool = True
        with faults.part():
            if section.root_certificates is not None:
                tls = _load_authorities(section, key)
        faults.check()
        self._endpoint = TokenEndpoint(section.url, tls)

    def load(self) -> None:
        """Check the file. It is read again for each exchange, because the token in it is short-lived."""
        read_token(self._section.token_file, self._key)

    async def fetch(self) -> AccessToken:
        """Exchange the token that is in the file now."""
        section = self._section
        try:
            subject = read_token(section.token_file, self._key)
        except FaultsError as error:
            raise CredentialsError(str(error)) from error
        form = {
            "grant_type": GRANT_TYPE,
            "requested_token_type": REQUESTED_TYPE,
            "audience": section.service_account_id,
            "subject_token": subject,
            "subject_token_type": section.subject_token_type,
        }
        return await self._endpoint.request("POST", form=form)

    async def close(self) -> None:
        """Close the connections."""
        await self._endpoint.close()


def _load_authorities(section: WorkloadIdentityCredentials, key: str) -> ssl.SSLContext:
    from gateway.tls.pem_files import read_certificates  # noqa: PLC0415 - 9 MB of memory

    if section.root_certificates is None:
        raise LookupError("root_certificates")
    roots = read_certificates(section.root_certificates, f"{key}.root_certificates")
    return ssl.create_default_context(cadata=roots.decode())
