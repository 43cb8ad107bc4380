"""Reads the documents of a bundle from texts, and groups the documents by kind and name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from gateway.documents import load_documents
from gateway.faults import Fault, FaultsError, Position, key_of, validation_faults
from gateway.policy.model import KINDS, Binding, Params, Policy, Waiver
from gateway.policy.suite_model import Suite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from gateway.documents import Document
    from gateway.faults import Path

TESTS = "Tests"

_EMPTY = "contains no documents; restore its content, or delete the file"


@dataclass(slots=True)
class Documents:
    """The documents of a bundle.

    The keys of `suites` are file names. The keys of the other dictionaries are document names.

    Attributes:
        refused: the contents of the documents that have faults. A valid document may refer to the name of a
            refused document. Such a name is not reported as missing.
        is_whole: whether every file could be read and contains a document.
    """

    policies: dict[str, tuple[Policy, Document]] = field(default_factory=dict)
    bindings: dict[str, tuple[Binding, Document]] = field(default_factory=dict)
    params: dict[str, tuple[Params, Document]] = field(default_factory=dict)
    waivers: dict[str, tuple[Waiver, Document]] = field(default_factory=dict)
    suites: dict[str, tuple[Suite, Document]] = field(default_factory=dict)
    refused: list[Any] = field(default_factory=list)
    is_whole: bool = True

    def refused_names(self, part: str, key: str) -> set[str]:
        """Return the names that the refused documents contain under the key `<part>.<key>`."""
        parts = [value.get(part) for value in self.refused if isinstance(value, dict)]
        names = [one.get(key) for one in parts if isinstance(one, dict)]
        return {name for name in names if isinstance(name, str)}


def read_documents(texts: Mapping[str, str]) -> tuple[Documents, list[Fault]]:
    """Return the documents of a bundle, and the faults that were found while the documents were parsed.

    A file without documents is a fault. A full disk or a crashed editor can leave an empty file. Without
    the fault, nobody would notice that the rules of the file are missing.
    """
    reader = _BundleReader()
    for name in sorted(texts):
        reader.read(name, texts[name])
    return reader.documents, reader.faults


class _BundleReader:
    def __init__(self) -> None:
        self.documents = Documents()
        self.faults: list[Fault] = []

    def read(self, name: str, text: str) -> None:
        try:
            documents = load_documents(text, name)
        except FaultsError as error:
            self.faults += error.faults
            self.documents.is_whole = False
            return
        # An empty document next to other documents is harmless. Templates produce empty documents, and other
        # tools also skip them.
        filled = [document for document in documents if document.value is not None]
        if not filled:
            self.faults.append(Fault(Position(name), "", _EMPTY))
            self.documents.is_whole = False
        for document in filled:
            self._read_document(document)

    def _read_document(self, document: Document) -> None:
        kind = document.value.get("kind") if isinstance(document.value, dict) else None
        if kind == TESTS:
            self._add_suite(document)
        elif isinstance(kind, str) and kind in KINDS:
            parsed = self._parse(document, KINDS[kind])
            if parsed is not None:
                self._add(parsed, document)
        else:
            self.documents.refused.append(document.value)
            reason = "is required" if kind is None else f"{kind!r} is no kind of document"
            self._fault(document, ("kind",), f"{reason}; kinds: {', '.join([*KINDS, TESTS])}")

    def _parse(self, document: Document, model: type[BaseModel]) -> Any:
        try:
            return model.model_validate(document.value)
        except ValidationError as error:
            self.faults += validation_faults(error, model, document.position)
            self.documents.refused.append(document.value)
            return None

    def _add_suite(self, document: Document) -> None:
        if document.file in self.documents.suites:
            self._fault(document, (), "the file already contains tests; merge the cases")
            return
        suite = self._parse(document, Suite)
        if suite:
            self.documents.suites[document.file] = (suite, document)

    def _add(self, parsed: Policy | Binding | Params | Waiver, document: Document) -> None:
        kinds: dict[type, dict[str, Any]] = {
            Policy: self.documents.policies,
            Binding: self.documents.bindings,
            Params: self.documents.params,
            Waiver: self.documents.waivers,
        }
        known = kinds[type(parsed)]
        name = parsed.metadata.name
        if name in known:
            where = known[name][1].position(("metadata", "name"))
            self._fault(document, ("metadata", "name"), f"{name!r} is defined at {where} already")
            return
        known[name] = (parsed, document)

    def _fault(self, document: Document, path: Path, message: str) -> None:
        self.faults.append(Fault(document.position(path), key_of(path), message))
