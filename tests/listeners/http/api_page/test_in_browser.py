"""The page in a real browser: it shows the document, tries calls, and hostile texts have no effect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from selenium.common.exceptions import JavascriptException
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.browser import open_browser, problems
from tests.conftest import GOOD_IMAGE, ROOT
from tests.policy.making import binding_text, policy_text
from tests.processes import serving
from tests.schema.compiling import compile_protos
from tests.served_bundle import write
from tests.waiting import GENEROUS_S

ATTACK = (
    "<img src=x onerror='window.hacked=1'><script>window.hacked=2</script>"
    "[link](javascript:window.hacked=3) <svg onload=window.hacked=4> ${window.hacked=5}"
)
PROTO = f"""\
syntax = "proto3";
package evil.v1;
import "google/api/annotations.proto";
// {ATTACK}
service Evil {{
  // {ATTACK}
  rpc Do(Node) returns (Node) {{ option (google.api.http) = {{post: "/evil", body: "*"}}; }}
{{methods}}
}}
// {ATTACK}
message Node {{
  // {ATTACK}
  string text = 1;
  Node child = 2;
  repeated Node children = 3;
  map<string, Node> named = 4;
  Kind kind = 5;
}}
enum Kind {{
  KIND_UNSPECIFIED = 0;
  // {ATTACK}
  EVIL = 1;
}}
"""


class Page:
    """The page of one gateway in one browser."""

    def __init__(self, browser: Chrome, url: str) -> None:
        self.browser = browser
        self.url = url

    def open(self, operation: str = "") -> None:
        self.browser.get("about:blank")
        problems(self.browser)
        self.browser.get(f"{self.url}/docs{f'/#/{operation}' if operation else ''}")
        self.wait(lambda: self.all("nav a[data-id]"))

    def wait(self, condition: Any) -> Any:
        return WebDriverWait(self.browser, GENEROUS_S, poll_frequency=0.02).until(lambda _: condition())

    def all(self, selector: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def run(self, script: str) -> Any:
        return self.browser.execute_script(script)

    def send(self) -> str:
        """Send the call, and return the status of the response."""
        self.run("document.querySelector('.output').replaceChildren()")
        self.one(".try button.primary").click()
        return str(self.wait(lambda: self.all(".output .status .badge"))[0].text)

    def set_body(self, body: Any) -> None:
        self.one("#request-body").clear()
        self.one("#request-body").send_keys(json.dumps(body))


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with (
        open_browser() as browser,
        serving("demo", GATEWAY__POLICIES__PATH=str(ROOT / "policies")) as started,
    ):
        yield Page(browser, f"http://{started[2]}")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page of a gateway whose descriptors and policies contain scripts, and which has many operations."""
    folder = tmp_path_factory.mktemp("hostile")
    further = "".join(
        f'  rpc Do{number}(Node) returns (Node) {{ option (google.api.http) = {{get: "/evil/{number}"}}; }}\n'
        for number in range(40)
    )
    (folder / "evil.proto").write_text(PROTO.replace("{methods}", further))
    compile_protos(folder, folder / "set.binpb", comments=True)
    rule = {"assert": "request.text == 'x'", "field": "text", "message": json.dumps(ATTACK)}
    rule["fix"] = rule["message"]
    policy = policy_text(rule, methods=["evil.v1.Evil/Do"]).replace(
        "name: p\n", f"name: p\n  description: {json.dumps(ATTACK)}\n"
    )
    bundle = write(folder / "bundle", policy, binding_text())
    with ExitStack() as stack:
        browser = stack.enter_context(open_browser())
        started = stack.enter_context(
            serving(
                "demo",
                GATEWAY__POLICIES__PATH=str(bundle),
                GATEWAY__API__DESCRIPTOR_SETS=f"[{folder}/set.binpb]",
                GATEWAY__API__SERVICES="{evil.v1.Evil: baremetal}",
            )
        )
        yield Page(browser, f"http://{started[2]}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_without_errors(page: Page, scheme: str) -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    page.open()
    assert page.one("h1").text == "BareMetal image gateway"
    assert page.browser.current_url == f"{page.url}/docs/"
    assert [one.text for one in page.all("nav h2")] == [
        "Operations",
        "ImageService",
        "BootImageService",
        "ApiEndpointService",
        "OperationService",
    ]
    for operation in ("ImageService_Create", "ImageService_List", "OperationService_Get"):
        page.open(operation)
        for element in page.all("main details"):
            page.browser.execute_script("arguments[0].open = true", element)
        assert problems(page.browser) == []
    dark = page.run("return getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark is (scheme == "dark")


def test_search_finds_operations(page: Page) -> None:
    page.open()
    for text, found in (
        ("POST v1alpha/images", ["ImageService_Create"]),
        ("approved bucket POST v1alpha/images", ["ImageService_Create"]),
        ("PATCH v1alpha/images", ["ImageService_Update"]),
        ("costs nothing", []),
    ):
        page.one("#search").clear()
        page.one("#search").send_keys(text)
        assert [one.get_attribute("data-id") for one in page.all("nav a[data-id]")] == found, text
        assert page.one("#count").text.startswith(f"{len(found)} of ")


def test_keys_reach_everything(page: Page) -> None:
    page.open()
    page.one("body").send_keys("/")
    assert page.run("return document.activeElement.id") == "search"
    page.browser.switch_to.active_element.send_keys("list operations")
    page.browser.switch_to.active_element.send_keys(Keys.TAB)
    page.browser.switch_to.active_element.send_keys(Keys.ENTER)
    page.wait(lambda: page.browser.current_url.endswith("#/ImageService_ListOperations"))
    page.wait(lambda: page.run("return document.activeElement.tagName") == "H1")
    assert page.one("nav a[aria-current=page]").get_attribute("data-id") == "ImageService_ListOperations"


def test_every_control_has_a_name(page: Page) -> None:
    for operation in ("", "ImageService_Create", "ImageService_List"):
        page.open(operation)
        nameless = page.run(
            "return [...document.querySelectorAll('input, textarea, select')]"
            ".filter((one) => !one.labels.length).map((one) => one.outerHTML)"
        )
        assert nameless == []
        assert page.run("return document.querySelectorAll('h1').length") == 1


def test_an_operation_shows_its_policies_and_constraints(page: Page) -> None:
    page.open("ImageService_Create")
    policies = {one.text.splitlines()[0]: one.text for one in page.all(".policy")}
    assert list(policies) == [
        "approved-source deny",
        "label-catalogue audit",
        "naming warn",
        "required-labels deny",
    ]
    assert "use one of golden-images" in policies["approved-source deny"]
    assert 'labels["env"]' in policies["required-labels deny"]
    fields = {one.text.split()[0]: one.text.split("\n") for one in page.all("section > .fields > li")}
    assert {"required", "1 to 1024 characters"} <= set(fields["uri"])
    assert "matches ^(?:[a-z][a-z0-9.-]*)?$" in fields["folderId"]
    assert "empty or 2 to 63 characters" in fields["name"]
    assert {"map to string", "at most 64 entries"} <= set(fields["labels"])
    responses = [one.text for one in page.all(".responses > *")]
    assert any(one.startswith("403 A policy denies the call") for one in responses)


def test_calls_are_made(page: Page) -> None:
    page.open("ImageService_List")
    assert page.send() == "200 OK"
    page.one("[name=pageSize]").send_keys("many")
    assert page.send() == "400 Bad Request"
    assert "pageSize" in page.one(".violations").text
    page.open("ImageService_Get")
    page.one(".try button.primary").click()
    assert page.one(".output").text == "imageId is required."
    page.one("[name=imageId]").send_keys("a/b")
    assert page.send() == "400 Bad Request"


def test_a_denied_call_shows_what_is_wrong(page: Page) -> None:
    page.open("ImageService_Create")
    page.set_body(GOOD_IMAGE | {"name": "ubuntu", "labels": {}})
    assert page.send() == "403 Forbidden"
    assert page.one(".violations caption").text == "3 violations"
    cells = [one.text for one in page.all(".violations tbody td")]
    assert cells[:2] == [
        'labels["env"]',
        'set the label env to one of prod, staging, dev; labels["env"] is not set\nrequired-labels/env',
    ]
    assert "name the image <product>-<version>" in page.one(".warnings").text
    page.set_body(GOOD_IMAGE)
    assert page.send() == "200 OK"
    assert "Create image" in page.one(".output pre").text


def test_a_form_keeps_its_values_while_others_are_shown(page: Page) -> None:
    page.open("ImageService_Get")
    page.one("[name=imageId]").send_keys("abc")
    for name in ("ImageService_Create", "ImageService_Get"):
        page.one(f"nav a[data-id={name}]").click()
        page.wait(lambda name=name: page.browser.title.startswith(name))
    assert page.one("[name=imageId]").get_attribute("value") == "abc"


def test_a_token_is_kept_in_memory_only(page: Page) -> None:
    page.open("ImageService_List")
    page.one("#token").send_keys("canary")
    assert page.send() == "200 OK"
    page.one(".try button:not(.primary)").click()
    command = page.one(".output pre").text
    assert "$TOKEN" in command
    assert "canary" not in command
    assert page.run("return localStorage.length + sessionStorage.length + document.cookie.length") == 0
    page.browser.refresh()
    page.wait(lambda: page.all("nav a[data-id]"))
    assert page.one("#token").get_attribute("value") == ""


def test_the_security_policy_forbids_other_code(page: Page) -> None:
    page.open()
    for script in (
        "document.body.innerHTML = '<b>a</b>'",
        "const one = document.createElement('script'); one.textContent = 'window.hacked = 1';",
        "setTimeout('window.hacked = 1')",
    ):
        with pytest.raises(JavascriptException):
            page.run(script)
    page.run(
        "const image = document.createElement('img'); image.src = 'http://127.0.0.1:9/';"
        "document.body.append(image)"
    )
    page.wait(lambda: any("Content Security Policy" in one["message"] for one in problems(page.browser)))
    assert page.run("return window.hacked") is None


def test_hostile_texts_have_no_effect(hostile: Page) -> None:
    hostile.open()
    assert ATTACK in hostile.one("main").text
    hostile.open("Evil_Do")
    for _ in range(12):
        for element in hostile.all("main details:not([open])")[:3]:
            hostile.browser.execute_script("arguments[0].open = true", element)
    shown = hostile.one(".reference").text
    assert shown.count("<script>window.hacked=2</script>") >= 6
    assert hostile.send() == "403 Forbidden"
    assert "<img src=x" in hostile.one(".violations").text
    found = hostile.run(
        "return [...document.querySelectorAll('main script, main img, main svg, main iframe')].length"
    )
    links = [one.get_attribute("href") for one in hostile.all("main a")]
    assert (found, [one for one in links if one and one.startswith("javascript")]) == (0, [])
    assert hostile.run("return window.hacked") is None
    assert problems(hostile.browser) == []


def test_a_document_with_many_operations_is_shown(hostile: Page) -> None:
    hostile.open()
    assert len(hostile.all("nav a[data-id]")) > 50
    hostile.open("Evil_Do7")
    assert hostile.one("h1 .path").text == "/evil/7"
    assert [one.get_attribute("name") for one in hostile.all(".try select")] == ["kind"]


def test_the_page_fits_a_narrow_window(page: Page) -> None:
    size = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page.open("ImageService_Create")
        page.send()
        assert page.run("return document.documentElement.scrollWidth") <= 360
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_page_says_why_calls_cannot_be_tried(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("admin: {try_calls: never}\n")
    with open_browser() as browser, serving("demo", "--config", str(tmp_path / "gateway.yaml")) as started:
        page = Page(browser, f"http://{started[2]}")
        page.open("ImageService_List")
        assert page.one(".try .note").text == "Calls cannot be tried here, because admin.try_calls is never."
        assert not page.one(".try button.primary").is_enabled()
