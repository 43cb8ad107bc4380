"""The OpenAPI document of the methods that the gateway serves.

The document is built from the descriptors of the methods, and shows the policies of a bundle. The package has
no side effects: it reads a schema and returns a document. The specification of OpenAPI is https://spec.openapis.org/oas/v3.1.1.
"""

from gateway.openapi.comments import read_comments
from gateway.openapi.document import build_document, to_json
from gateway.openapi.policies import add_policies
from gateway.openapi.timeouts import limit_timeout

__all__ = ["add_policies", "build_document", "limit_timeout", "read_comments", "to_json"]
