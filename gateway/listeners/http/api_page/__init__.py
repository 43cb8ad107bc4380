"""The API page `/docs` of the admin listener. It shows the OpenAPI document, and lets a person try calls.

The page consists of files of this package, and loads nothing from other hosts. Its content security policy
allows only these files. The texts of the document are shown as text, never as HTML.
"""

from gateway.listeners.http.api_page.page import ApiPage

__all__ = ["ApiPage"]
