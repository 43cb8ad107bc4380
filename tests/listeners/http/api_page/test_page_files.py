"""The files of the page: all of them are loaded, with the headers that protect them."""

from __future__ import annotations

import re

from gateway.listeners.http.api_page.page_files import HEADERS, INDEX, load_page_files

FILES = load_page_files()


def test_every_file_that_another_one_names_exists() -> None:
    text = b"".join(file.content for file in FILES.values()).decode()
    named = set(re.findall(r'(?:src|href)="([\w.]+)"', text)) | set(re.findall(r'from "\./([\w.]+)"', text))
    assert len(named) > 5
    assert named | {INDEX} == set(FILES)


def test_files_have_types_and_distinct_tags() -> None:
    types = {name.rpartition(".")[2]: file.content_type for name, file in FILES.items()}
    assert types == {
        "html": "text/html; charset=utf-8",
        "css": "text/css; charset=utf-8",
        "js": "text/javascript; charset=utf-8",
        "svg": "image/svg+xml",
    }
    assert len({file.etag for file in FILES.values()}) == len(FILES)


def test_the_security_policy_allows_only_files_of_the_page() -> None:
    directives = dict(one.split(" ", 1) for one in HEADERS["Content-Security-Policy"].split("; "))
    assert directives["default-src"] == "'none'"
    assert {directives[name] for name in ("script-src", "style-src", "connect-src", "img-src")} == {"'self'"}
    for name in ("base-uri", "form-action", "frame-ancestors", "trusted-types"):
        assert directives[name] == "'none'"
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


def test_the_files_need_no_other_host_and_no_inline_code() -> None:
    for name, file in FILES.items():
        text = file.content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", text), name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", text), name
        assert not re.search(r"localStorage|sessionStorage|indexedDB|\.cookie", text), name
        assert not re.search(r'(?:src|href|from|import|fetch\()\s*=?\s*"(?:https?:)?//', text), name
