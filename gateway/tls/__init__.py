"""TLS of the listeners and the upstreams: files, their reload, and the certificates of callers.

The modules `authorities` and `pem_files` import cryptography, which takes 9 MB of memory. So they are
imported only when TLS is configured.
"""

from gateway.tls.client import ClientTls
from gateway.tls.client_certificates import ClientCertificates, Verdict
from gateway.tls.server import ServerFiles, ServerTls

__all__ = ["ClientCertificates", "ClientTls", "ServerFiles", "ServerTls", "Verdict"]
