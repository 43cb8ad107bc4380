"""YAML documents, and the position of each value in the file."""

from gateway.documents.document import Document, SourceFile, split_lines
from gateway.documents.loader import load_documents

__all__ = ["Document", "SourceFile", "load_documents", "split_lines"]
