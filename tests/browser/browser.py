"""Headless Chromium as a visitor: opens pages, answers the password prompt, and remembers what the servers told it.

Driven by selenium through chromedriver. The prompt for a password is the browser's own and no part of a page, so WebDriver cannot
reach it: the DevTools protocol does (domain Fetch, https://chromedevtools.github.io/devtools-protocol/tot/Fetch/).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import websocket
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

SECONDS = 15
# No sandbox, as containers run as root; no shared memory, as they have little of it. Nobody but this machine is asked for anything.
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
    "--window-size=1100,1000",
    "--host-resolver-rules=MAP * ^NOTFOUND, EXCLUDE *.localhost, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)  # fmt: skip


@dataclass(frozen=True)
class Response:
    """What a server answered. `kind` is DevTools' (Document, Stylesheet, Script, Fetch …); header names are lowercase."""

    url: str
    kind: str
    status: int
    headers: Mapping[str, str]
    cached: bool


@dataclass(frozen=True)
class Prompt:
    """What the browser asked its user for."""

    scheme: str
    realm: str


class Browser:
    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver
        self._responses: list[Response] = []

    def open(self, url: str) -> Response:
        """Load a page, with all that it loads at once; what the server said of the page itself."""
        self.driver.get(url)
        return self.page()

    def open_tab(self, url: str) -> Response:
        self.driver.switch_to.new_window("tab")
        return self.open(url)

    def reload(self) -> Response:
        self.driver.refresh()
        return self.page()

    def page(self) -> Response:
        """The newest answer that became a page."""
        return [one for one in self.responses() if one.kind == "Document"][-1]

    def responses(self) -> list[Response]:
        """All HTTP answers that the browser got so far, in all of its tabs."""
        for entry in self.driver.get_log("performance"):  # type: ignore[no-untyped-call]
            event = json.loads(entry["message"])["message"]
            if event["method"] == "Network.responseReceived" and event["params"]["response"]["url"].startswith("http"):
                self._responses.append(_response(event["params"]))
        return self._responses

    def complaints(self) -> list[str]:
        """The console's warnings and errors since it was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def js(self, script: str, *values: object) -> Any:
        """What a script returns, or what the promise that it returns becomes."""
        return self.driver.execute_script(script, *values)

    def text(self, selector: str = "body") -> str:
        """What a visitor reads there."""
        return self.driver.find_element("css selector", selector).text

    def style(self, selector: str, name: str) -> str:
        """A computed style: with the default's value no stylesheet came."""
        return self.driver.find_element("css selector", selector).value_of_css_property(name)

    def click(self, selector: str) -> None:
        self.driver.find_element("css selector", selector).click()

    def wait(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"{what}: not within {SECONDS} s; the page says {self.text()!r}"
            time.sleep(0.02)

    def sign_in(self, url: str, *answers: tuple[str, str] | None) -> list[Prompt]:
        """Open a page and give each prompt the next answer: user and password, or None to cancel. The prompts that came."""
        left, prompts = list(answers), []
        with closing(_DevTools(self.driver)) as tools:
            # Both before the page is asked for: a renderer that learns late of Page.enable never tells of a load that was quick.
            tools.ask("Page.enable")
            tools.ask("Fetch.enable", handleAuthRequests=True, patterns=[{"resourceType": "Document"}])
            tools.send("Page.navigate", url=url)
            for method, said in tools.events():
                if method == "Page.loadEventFired":
                    break
                if method == "Fetch.requestPaused":
                    tools.send("Fetch.continueRequest", requestId=said["requestId"])
                if method == "Fetch.authRequired":
                    challenge = said["authChallenge"]
                    prompts.append(Prompt(challenge["scheme"], challenge["realm"]))
                    assert left, f"asked once more, for {said['request']['url']}"
                    tools.send("Fetch.continueWithAuth", requestId=said["requestId"], authChallengeResponse=_typed(left.pop(0)))
        return prompts


class _DevTools:
    """A second line to the driver's page. A command that is sent and fails is found while reading events."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        address = driver.capabilities["goog:chromeOptions"]["debuggerAddress"]
        page = f"ws://{address}/devtools/page/{driver.current_window_handle}"
        # Chromium refuses pages of foreign origins here; this is no page.
        self._socket = websocket.create_connection(page, timeout=SECONDS, suppress_origin=True)
        self._sent = 0

    def send(self, method: str, **values: object) -> None:
        self._sent += 1
        self._socket.send(json.dumps({"id": self._sent, "method": method, "params": values}))

    def ask(self, method: str, **values: object) -> None:
        """Send a command and wait until it took effect; events of before are of nobody's interest."""
        self.send(method, **values)
        while self._receive().get("id") != self._sent:
            pass

    def events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Names and parameters of events, until nothing comes for `SECONDS`: then WebSocketTimeoutException."""
        while True:
            message = self._receive()
            if "method" in message:
                yield message["method"], message["params"]

    def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._socket.recv())
        assert "error" not in message, message
        return message

    def close(self) -> None:
        self._socket.close()


def _typed(answer: tuple[str, str] | None) -> dict[str, str]:
    if answer is None:
        return {"response": "CancelAuth"}
    return {"response": "ProvideCredentials", "username": answer[0], "password": answer[1]}


def _response(params: Mapping[str, Any]) -> Response:
    found = params["response"]
    headers = {name.lower(): value for name, value in found["headers"].items()}
    cached = bool(found.get("fromDiskCache") or found.get("fromPrefetchCache"))
    return Response(found["url"], params["type"], found["status"], headers, cached)


@contextmanager
def browser(chromium: str, chromedriver: str, folder: Path, environment: Mapping[str, str]) -> Iterator[Browser]:
    """A browser that nobody used before; its profile lies in `folder`. Both programs are paths: selenium must not look for any."""
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*_FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "WARNING"})
    driver = webdriver.Chrome(options=options, service=Service(chromedriver, env={**environment, "HOME": str(folder)}))
    try:
        driver.set_page_load_timeout(SECONDS)
        driver.set_script_timeout(SECONDS)
        yield Browser(driver)
    finally:
        driver.quit()
