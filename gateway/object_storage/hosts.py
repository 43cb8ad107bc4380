"""The host names of Object Storage.

The configured host names are checked, so that each link names exactly one bucket. The host names are
documented in https://yandex.cloud/en/docs/storage/concepts/bucket#bucket-url and in
https://yandex.cloud/en/docs/storage/operations/hosting/setup.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import permutations

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The last label starts with a letter. If the last label is a number, browsers read the name as an IP address
# (https://url.spec.whatwg.org/#ends-in-a-number-checker).
_NAME = re.compile(rf"(?:{_LABEL}\.)+(?=[a-z]){_LABEL}")
_LONGEST_NAME = 253
# A label such as xn--… is the encoded form of another label
# (https://www.rfc-editor.org/rfc/rfc5890#section-2.3.1).
_RESERVED_LABEL = re.compile(r"(?:^|\.)[a-z0-9-]{2}--")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """The host names of Object Storage. In a link, the name of a bucket may precede the host name.

    Attributes:
        storage: the names of the hosts that serve objects.
        website: the names of the hosts that serve published websites. A website may respond with a redirect
            instead of an object.

    Raises:
        ValueError: on construction, if `storage` is empty, a name is not a plain host name, or two names make
            a link ambiguous.
    """

    storage: tuple[str, ...] = ("storage.yandexcloud.net", "s3.yandexcloud.net", "storage.cloud.yandex.net")
    website: tuple[str, ...] = ("website.yandexcloud.net",)
    _websites: dict[str, bool] = field(init=False, repr=False, compare=False)
    _endings: tuple[tuple[str, bool], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        faults = _find_faults([*self.storage, *self.website])
        if not self.storage:
            faults.insert(0, "no host of Object Storage is named")
        if faults:
            raise ValueError("; ".join(faults))
        websites = dict.fromkeys(self.storage, False) | dict.fromkeys(self.website, True)
        object.__setattr__(self, "_websites", websites)
        object.__setattr__(
            self, "_endings", tuple((f".{name}", is_site) for name, is_site in websites.items())
        )

    def find(self, host: str) -> tuple[str, bool] | None:
        """Return the bucket in a host name, and whether the host serves websites.

        The bucket is empty if the host name contains no bucket. Return None if the host does not belong to
        Object Storage.

        Args:
            host: the host name in a link.
        """
        is_website = self._websites.get(host)
        if is_website is not None:
            return "", is_website
        for ending, is_website in self._endings:
            if host.endswith(ending):
                return host.removesuffix(ending), is_website
        return None


def has_reserved_label(name: str) -> bool:
    """Return whether a host name has a label with '--' as the third and fourth characters.

    Such a label can be the encoded form of another label.
    """
    return _RESERVED_LABEL.search(name) is not None


def _find_faults(names: list[str]) -> list[str]:
    faults = [
        f'"{name}" is not a plain host name in lower case, without a port'
        for name in names
        if not _is_plain(name)
    ]
    faults += [f'"{name}" is named twice' for name in sorted({one for one in names if names.count(one) > 1})]
    faults += [
        f'"{longer}" ends in "{shorter}", so its links could name two buckets; keep one of them'
        for longer, shorter in permutations(dict.fromkeys(names), 2)
        if longer.endswith(f".{shorter}")
    ]
    return faults


def _is_plain(name: str) -> bool:
    return len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None and not has_reserved_label(name)


DEFAULT_HOSTS = Hosts()
