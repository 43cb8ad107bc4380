"""YAML documents that remember where each value is in their file."""

from gateway.documents.document import Document, SourceFile, split_lines
from gateway.documents.loader import load_documents

__all__ = ["Document", "SourceFile", "load_documents", "split_lines"]
