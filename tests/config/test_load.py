"""Configuration from file and environment: what overrides what, and every fault at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.config import Config, load_config
from gateway.config.credentials import TYPES
from gateway.faults import FaultsError

if TYPE_CHECKING:
    from pathlib import Path

_IMAGES = "yandex.cloud.baremetal.v1alpha.ImageService"
_BOOT_IMAGES = "yandex.cloud.baremetal.v2.BootImageService"
_OPERATIONS = "yandex.cloud.operation.OperationService"


def load(folder: Path, text: str | None = None, **environment: str) -> Config:
    file = None
    if text is not None:
        file = folder / "gateway.yaml"
        file.write_text(text, encoding="utf-8")
    return load_config(file, {f"GATEWAY__{name}": value for name, value in environment.items()})


def faults(folder: Path, text: str | None = None, **environment: str) -> list[str]:
    with pytest.raises(FaultsError) as caught:
        load(folder, text, **environment)
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]


def test_nothing_given_is_the_defaults(tmp_path: Path) -> None:
    assert load_config(None, {}) == Config() == load(tmp_path, "") == load(tmp_path, "# nothing\n---\n")
    assert load_config(None, {"PATH": "/bin", "GATEWAY_X": "1", "GATEWAY": "2"}) == Config()


def test_the_file_overrides_key_by_key(tmp_path: Path) -> None:
    config = load(tmp_path, "limits: {body_bytes: 1000}\nrest:\n  listen: 'localhost:80'\n")
    assert config.limits.body_bytes == 1000
    assert config.limits.concurrency == Config().limits.concurrency
    assert (config.rest.listen.host, config.rest.listen.port) == ("localhost", 80)
    assert config.grpc == Config().grpc


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    text = "limits: {body_bytes: 1000, concurrency: 5}\n"
    config = load(
        tmp_path, text, LIMITS__BODY_BYTES="2000", REST__LISTEN="127.0.0.2:81", POLICIES__RELOAD="false"
    )
    assert (config.limits.body_bytes, config.limits.concurrency) == (2000, 5)
    assert str(config.rest.listen) == "127.0.0.2:81"
    assert config.policies.reload is False


def test_a_variable_may_hold_a_whole_section(tmp_path: Path) -> None:
    config = load(tmp_path, LIMITS="{body_bytes: 7, concurrency: 8}", LIMITS__CONCURRENCY="9")
    assert (config.limits.body_bytes, config.limits.concurrency) == (7, 9)


def test_an_empty_variable_takes_a_value_away(tmp_path: Path) -> None:
    text = "rest: {tls: {certificate: c.pem, key: k.pem}}"
    assert load(tmp_path, text).rest.tls is not None
    assert load(tmp_path, text, REST__TLS="").rest.tls is None


def test_upstreams_and_services_add_to_the_defaults(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        """
        upstreams:
          baremetal: {tls: false}
          mine: {address: "localhost:1"}
        api:
          services: {my.Service: mine, yandex.cloud.operation.OperationService: null}
        """,
    )
    defaults = Config().upstreams
    assert config.upstreams["baremetal"].address == defaults["baremetal"].address
    assert config.upstreams["baremetal"].tls is False
    assert config.upstreams["operation"] == defaults["operation"]
    assert config.services == {_IMAGES: "baremetal", _BOOT_IMAGES: "baremetal", "my.Service": "mine"}


def test_names_of_the_file_and_of_the_defaults_are_found_whatever_their_case(tmp_path: Path) -> None:
    environment = {
        "UPSTREAMS__BAREMETAL__ADDRESS": "a:1",
        "UPSTREAMS__MINE__ADDRESS": "b:2",
        f"API__SERVICES__{_OPERATIONS.upper()}": "Mine",
    }
    config = load(tmp_path, 'upstreams: {Mine: {address: "c:3", tls: false}}', **environment)
    assert config.upstreams["baremetal"].address == "a:1"
    assert (config.upstreams["Mine"].address, config.upstreams["Mine"].tls) == ("b:2", False)
    assert config.services == {_IMAGES: "baremetal", _BOOT_IMAGES: "baremetal", _OPERATIONS: "Mine"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("localhost:0", "localhost:0"),
        (":65535", ":65535"),
        ('"[::1]:80"', "[::1]:80"),
        ('"[::]:0"', "[::]:0"),
    ],
)
def test_listen_addresses(tmp_path: Path, text: str, shown: str) -> None:
    allowed = "rest:\n  allow_plaintext: true\n"
    assert str(load(tmp_path, f"{allowed}  listen: {text}").rest.listen) == shown
    assert str(load(tmp_path, allowed, REST__LISTEN=text).rest.listen) == shown


@pytest.mark.parametrize(
    "text", ["localhost", "8080", ":", ":65536", ":x", "::1:80", "a:1:2", "http://h:1", "h: 1x"]
)
def test_bad_listen_addresses(tmp_path: Path, text: str) -> None:
    (fault,) = faults(tmp_path, f"rest:\n  listen: '{text}'\n")
    assert fault == (
        f"gateway.yaml:2:3: rest.listen: '{text}': an address is host:port, as 127.0.0.1:8080 or [::1]:8080"
    )


def test_every_fault_is_told_with_its_place(tmp_path: Path) -> None:
    text = """\
limits:
  body_bytes: 0
  boddy_bytes: 5
credentials: {type: magic}
rest:
  listen: nowhere
  tls: {key: k.pem}
policys: {}
"""
    address = "an address is host:port, as 127.0.0.1:8080 or [::1]:8080"
    integer = "input should be a valid integer, unable to parse string as an integer"
    limits = (
        "did you mean body_bytes? accepted here: attempts, body_bytes, concurrency, deadline_s, "
        "elements, header_bytes, on_error, per_caller, per_method, policy_elements, policy_text, queue, "
        "queue_s, rate, store, wait_s, waiters"
    )
    assert faults(tmp_path, text, LIMITS__CONCURRENCY="none", GRPC__LISTEN="x", NO__SUCH="1") == [
        f"gateway.yaml:6:3: rest.listen: 'nowhere': {address}",
        "gateway.yaml:7:3: rest.tls.certificate: is required",
        f"GATEWAY__GRPC__LISTEN: grpc.listen: 'x': {address}",
        f"gateway.yaml:4:15: credentials.type: is not accepted; use one of {', '.join(TYPES)}",
        "gateway.yaml:2:3: limits.body_bytes: input should be greater than or equal to 1, not 0",
        f"GATEWAY__LIMITS__CONCURRENCY: limits.concurrency: {integer}, not 'none'",
        f"gateway.yaml:3:3: limits.boddy_bytes: unknown key; {limits}",
        _unknown("gateway.yaml:8:1: policys", "policies"),
        _unknown("GATEWAY__NO__SUCH: no", ""),
    ]


def _unknown(start: str, near: str) -> str:
    hint = f"did you mean {near}? " if near else ""
    return f"{start}: unknown key; {hint}accepted here: {', '.join(sorted(Config.model_fields))}"


def test_a_variable_inside_of_what_is_no_section_hides_no_fault(tmp_path: Path) -> None:
    first, second = faults(tmp_path, "rest: 5", REST__LISTEN=":80")
    assert first == (
        "GATEWAY__REST__LISTEN: rest.listen: has no effect: rest is a value and no section (gateway.yaml:1:1)"
    )
    assert second.startswith("gateway.yaml:1:1: rest: input should be a valid dictionary")
    assert second.endswith(", not 5")


@pytest.mark.parametrize("text", [None, "rest: {listen: 'localhost:80'}"])
def test_a_variable_inside_of_a_value_is_a_fault(tmp_path: Path, text: str | None) -> None:
    environment = {} if text else {"REST__LISTEN": "localhost:80"}
    (fault,) = faults(tmp_path, text, REST__LISTEN__X="1", **environment)
    where = "gateway.yaml:1:8" if text else "GATEWAY__REST__LISTEN"
    assert fault == (
        "GATEWAY__REST__LISTEN__X: rest.listen.x: has no effect: rest.listen is a value and no section"
        f" ({where})"
    )


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("", "1", "GATEWAY__: the variable names no key"),
        ("REST____LISTEN", ":80", "GATEWAY__REST____LISTEN: the variable names no key"),
        ("REST__", "1", "GATEWAY__REST__: the variable names no key"),
        ("REST__LISTEN", "", "GATEWAY__REST__LISTEN: rest.listen: null: an address is host:port"),
        (
            "LIMITS__BODY_BYTES",
            "",
            "GATEWAY__LIMITS__BODY_BYTES: limits.body_bytes: input should be a valid integer",
        ),
        ("LIMITS", "a:\tb: c", "GATEWAY__LIMITS: not valid YAML"),
        ("LIMITS", "{concurrency: 1, concurrency: 2}", "GATEWAY__LIMITS: is given twice"),
        ("LIMITS", "a: 1\n---\nb: 2", "GATEWAY__LIMITS: the value of a variable is one document"),
    ],
)
def test_variables_without_meaning(tmp_path: Path, variable: str, value: str, expected: str) -> None:
    (fault,) = faults(tmp_path, **{variable: value})
    assert fault.startswith(expected)


@pytest.mark.parametrize("listen", ["[::]:8080", "[::1]:0", "[::ffff:192.0.2.1]:443"])
def test_an_ipv6_address_in_a_variable_needs_no_quotes(listen: str) -> None:
    environment = {"GATEWAY__REST__LISTEN": listen, "GATEWAY__REST__ALLOW_PLAINTEXT": "true"}
    assert str(load_config(None, environment).rest.listen) == listen


def test_a_tab_in_the_file_is_named_with_its_place(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, "rest:\n\tlisten: ':80'\n")
    assert fault == "gateway.yaml:2:1: not valid YAML: a tab is not allowed here; indent with spaces"


def test_what_a_variable_s_section_lacks_is_told_under_its_name(tmp_path: Path) -> None:
    for text in (None, "workers: 1"):
        (fault,) = faults(tmp_path, text, UPSTREAMS__MINE__TLS="false")
        assert fault == "GATEWAY__UPSTREAMS__MINE__TLS: upstreams.mine.address: is required"


def test_faults_of_several_variables_are_told_at_once(tmp_path: Path) -> None:
    assert faults(tmp_path, REST="[", GRPC="a: b: c", LIMITS="!x 5") == [
        (
            "GATEWAY__GRPC: not valid YAML: mapping values are not allowed in this context; "
            "in YAML a colon and a space start another key: write a: 'b: c'"
        ),
        "GATEWAY__LIMITS: the tag !x has no meaning here; put a value that starts with ! in quotes",
        "GATEWAY__REST: not valid YAML: did not find expected node content",
    ]


def test_a_variable_of_bytes_that_are_no_text_is_a_fault(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, LEDGER__URL="\udcff")
    assert fault.startswith("GATEWAY__LEDGER__URL: not valid YAML: ")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("400d", 400 * 86400),
        ("24h", 86400),
        ("15m", 900),
        ("90s", 90),
        ("90", 90),
        ("'90'", 90),
        ("1.5", 1.5),
        ("0", 0),
    ],
)
def test_durations(tmp_path: Path, text: str, seconds: float) -> None:
    assert load(tmp_path, f"ledger: {{retention: {text}}}").ledger.retention == seconds
    assert load(tmp_path, LEDGER__RETENTION=text).ledger.retention == seconds


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("-1", "-1"),
        ("1w", "'1w'"),
        ("1.5h", "'1.5h'"),
        ("24 h", "'24 h'"),
        ("forever", "'forever'"),
        ("true", "true"),
        ("''", "''"),
        ("12345678901d", "'12345678901d'"),
    ],
)
def test_bad_durations(tmp_path: Path, text: str, shown: str) -> None:
    reason = f"ledger.retention: {shown}: a duration is a number with a unit, as 90s, 15m, 24h or 30d"
    assert faults(tmp_path, f"ledger:\n  retention: {text}\n") == [f"gateway.yaml:2:3: {reason}"]
    assert faults(tmp_path, LEDGER__RETENTION=text) == [f"GATEWAY__LEDGER__RETENTION: {reason}"]


@pytest.mark.parametrize("text", [".nan", ".inf", "36501d", "999999999d"])
def test_durations_have_a_maximum(tmp_path: Path, text: str) -> None:
    (fault,) = faults(tmp_path, LEDGER__RETENTION=text)
    assert fault.startswith("GATEWAY__LEDGER__RETENTION: ledger.retention: ")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("capacity", "0"),
        ("capacity", "1.5"),
        ("lease_s", "0.5"),
        ("lease_s", "3601"),
        ("when_full", "wait"),
        ("durability", "disk"),
        ("enabled", "5"),
        ("prepared_statements", "maybe"),
        ("idempotency_retention", "1y"),
        ("resend_within", "-1"),
    ],
)
def test_bad_values_of_the_ledger(tmp_path: Path, key: str, text: str) -> None:
    (fault,) = faults(tmp_path, f"ledger:\n  {key}: {text}\n")
    assert fault.startswith(f"gateway.yaml:2:3: ledger.{key}: ")


@pytest.mark.parametrize(
    "url",
    [
        "mysql://gateway:hunter2@db.example/ledger",
        "postgresql+asyncpg://gateway:hunter2@db.example/ledger",
        "postgresql:/gateway:hunter2@db.example/ledger",
        "postgresql://gateway:hunter2/2@db.example/ledger",
        "postgresql://gateway:hunter2@db.example:port/ledger",
        "gateway:hunter2@db.example/ledger",
        "sqlite://hunter2",
        "sqlite:///",
        "",
    ],
)
def test_bad_databases_of_the_ledger_are_not_shown(tmp_path: Path, url: str) -> None:
    reason = "ledger.url: must be sqlite:///FILE or postgresql://user:password@host:port/database; "
    (tmp_path / "gateway.yaml").write_text(f"ledger:\n  url: '{url}'\n")
    for file, environment, position in (
        (tmp_path / "gateway.yaml", {}, f"{tmp_path}/gateway.yaml:2:3"),
        (None, {"GATEWAY__LEDGER__URL": f"'{url}'"}, "GATEWAY__LEDGER__URL"),
    ):
        with pytest.raises(FaultsError) as caught:
            load_config(file, environment)
        (fault,) = caught.value.faults
        assert str(fault).startswith(f"{position}: {reason}")
        assert "hunter2" not in f"{fault}{fault.position.source}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a", "gateway.yaml:1:1: a configuration is a mapping of sections"),
        ("text", "gateway.yaml:1:1: a configuration is a mapping of sections"),
        ("{}\n---\n{}", "gateway.yaml:3:1: a configuration is one document"),
        ("a: 1\na: 2", "gateway.yaml:2:1: a: is given twice; keep one"),
    ],
)
def test_files_that_are_no_configuration(tmp_path: Path, text: str, expected: str) -> None:
    assert faults(tmp_path, text) == [expected]


def test_faults_of_the_file_s_form_and_of_variables_are_told_at_once(tmp_path: Path) -> None:
    assert faults(tmp_path, "a: 1\na: 2", REST="[") == [
        "gateway.yaml:2:1: a: is given twice; keep one",
        "GATEWAY__REST: not valid YAML: did not find expected node content",
    ]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for name, reason in (("none.yaml", "No such file or directory"), (".", "Is a directory")):
        with pytest.raises(FaultsError, match=rf"cannot be read: {reason}$"):
            load_config(tmp_path / name, {})
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff")
    with pytest.raises(FaultsError, match=r"cannot be read: not UTF-8 text$"):
        load_config(tmp_path / "latin.yaml", {})


def test_the_order_of_the_environment_does_not_matter() -> None:
    pairs = [
        ("GATEWAY__LIMITS", "{concurrency: 1}"),
        ("GATEWAY__LIMITS__CONCURRENCY", "2"),
        ("gateway__limits", "{}"),
    ]
    configs = [load_config(None, dict(order)) for order in (pairs, pairs[::-1])]
    assert configs[0] == configs[1]


@pytest.mark.parametrize("seconds", ["0", "-1", ".nan", ".inf", "301"])
def test_files_settle_in_a_time_that_there_is(seconds: str) -> None:
    with pytest.raises(FaultsError, match=r"GATEWAY__POLICIES__SETTLE_S: policies\.settle_s: "):
        load_config(None, {"GATEWAY__POLICIES__SETTLE_S": seconds})


@pytest.mark.parametrize(
    "address", ["host:70000", "host:0", ":443", "host", "{host: a, port: 1}", "5", "a b:1"]
)
def test_addresses_of_upstreams_that_are_none(address: str) -> None:
    with pytest.raises(FaultsError, match="host:port"):
        load_config(None, {"GATEWAY__UPSTREAMS__BAREMETAL__ADDRESS": address})


@pytest.mark.parametrize("address", ["host:70000", "host", "{host: a, port: 99999}", "5"])
def test_addresses_of_listeners_that_are_none(address: str) -> None:
    with pytest.raises(FaultsError, match="host:port"):
        load_config(None, {"GATEWAY__REST__LISTEN": address})
