"""A bundle whose rules are about fields that have another name in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"
_POLICY = """
apiVersion: baremetal-gateway/v1
kind: Policy
metadata: {{name: {name}}}
spec:
  methods: [{service}/{method}]
  rules:
"""
_BINDING = """
apiVersion: baremetal-gateway/v1
kind: Binding
metadata: {{name: {name}}}
spec: {{policy: {name}, action: {action}}}
"""
_POLICIES = [
    (
        "names",
        "Create",
        "deny",
        """
    - name: denied
      field: folder_id
      assert: request.folder_id != "b1gexample"
      message: '"folder_id is wrong"'
    - name: label
      field: labels["folder_id"]
      assert: '!("folder_id" in request.labels)'
      message: '"not x"'
""",
    ),
    (
        "warned",
        "Create",
        "warn",
        """
    - {name: warned, field: folder_id, assert: 'request.folder_id == ""', message: '"warned"'}
""",
    ),
    (
        "mask",
        "Update",
        "deny",
        """
    - {name: denied, field: update_mask, assert: size(request.update_mask.paths) == 0, message: '"no mask"'}
""",
    ),
]


def write_bundle(folder: Path) -> Path:
    """Write the bundle; return its folder."""
    for name, method, action, rules in _POLICIES:
        text = _POLICY.format(name=name, service=_SERVICE, method=method) + rules
        text += "---" + _BINDING.format(name=name, action=action)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder
