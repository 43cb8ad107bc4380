"""The OpenAPI document of the methods that are served, built from their descriptors.

Pure: a schema in, a document out. https://spec.openapis.org/oas/v3.1.1
"""

from gateway.openapi.comments import read_comments
from gateway.openapi.document import build_document, to_json

__all__ = ["build_document", "read_comments", "to_json"]
