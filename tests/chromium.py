"""Debian's Chromium, without a window, driven through its pipe: pages are loaded, looked at and typed into as people do.

No driver, no library and no port: DevTools' protocol in JSON over two file descriptors. Whatever a page asks for, says
on its console, or wants against its policy is kept, so that tests can see that there was nothing.
"""

import base64
import json
import os
import select
import shutil
import signal
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_LIMIT = 30.0
_OUR_DOING = ("PerformanceIssue", "BounceTrackingIssue")
"""What the browser says about things that the test did, not the page."""
_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    "--disable-component-update",
    "--disable-background-networking",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--mute-audio",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
)


def find_chromium():
    """Return the program; a test without it is skipped."""
    found = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    return found or pytest.skip("needs Chromium: apt-get install chromium")


@contextmanager
def chromium():
    """Start a browser with a profile of its own; it ends with the block."""
    program = find_chromium()
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        browser = Chromium(program, profile)
        try:
            yield browser
        finally:
            browser.close()


class Chromium:
    """One browser process."""

    def __init__(self, program, profile):
        to_child, self._write = os.pipe()
        self._read, from_child = os.pipe()
        flags = [*_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else []), f"--user-data-dir={profile}"]
        quiet = os.open(os.devnull, os.O_RDWR)
        actions = [
            # the program wants its two ends as 3 and 4; they are moved out of the way first
            (os.POSIX_SPAWN_DUP2, to_child, 103),
            (os.POSIX_SPAWN_DUP2, from_child, 104),
            (os.POSIX_SPAWN_DUP2, 103, 3),
            (os.POSIX_SPAWN_DUP2, 104, 4),
            (os.POSIX_SPAWN_DUP2, quiet, 0),
            (os.POSIX_SPAWN_DUP2, quiet, 1),
            (os.POSIX_SPAWN_DUP2, quiet, 2),
            (os.POSIX_SPAWN_CLOSE, 103),
            (os.POSIX_SPAWN_CLOSE, 104),
        ]
        environment = {**os.environ, "HOME": profile, "LANG": "C.UTF-8"}
        command = [program, *flags, "about:blank"]
        self._pid = os.posix_spawn(program, command, environment, file_actions=actions, setpgroup=0)
        for end in (to_child, from_child, quiet):
            os.close(end)
        self._kept = b""
        self._number = 0
        self._pages = {}

    def close(self):
        """End the process and its children."""
        with suppress(OSError, BrowserFault):
            self.ask("Browser.close", limit=5)
        for end in (self._write, self._read):
            os.close(end)
        ends = time.monotonic() + 5
        while os.waitpid(self._pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > ends:
                os.killpg(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)
                break
            time.sleep(0.02)

    @contextmanager
    def page(self, *, width=1280, height=800, dark=False, javascript=True, motion=True):
        """Open a page in a context of its own: no cookie of another one."""
        context = self.ask("Target.createBrowserContext")["browserContextId"]
        target = self.ask("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        page.prepare(width=width, height=height, dark=dark, javascript=javascript, motion=motion)
        try:
            yield page
        finally:
            del self._pages[session]
            self.ask("Target.closeTarget", targetId=target)
            self.ask("Target.disposeBrowserContext", browserContextId=context)

    def ask(self, method, session=None, limit=_LIMIT, **parameters):
        """Send a command, and return its answer; events that come meanwhile are kept."""
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        ends = time.monotonic() + limit
        while True:
            answer = self.take(ends - time.monotonic())
            if answer.get("id") == number:
                if "error" in answer:
                    raise BrowserFault(method, answer["error"]["message"])
                return answer["result"]

    def take(self, limit):
        """Return the next message; an event is told to its page first."""
        while b"\0" not in self._kept:
            if not select.select([self._read], [], [], max(limit, 0))[0]:
                raise BrowserFault("the browser says nothing")
            piece = os.read(self._read, 1 << 20)
            if not piece:
                raise BrowserFault("the browser has ended")
            self._kept += piece
        line, _, self._kept = self._kept.partition(b"\0")
        message = json.loads(line)
        page = self._pages.get(message.get("sessionId"))
        if page is not None and "method" in message:
            page.hear(message["method"], message["params"])
        return message


class BrowserFault(Exception):
    """The browser does not do what was wanted."""


class Page:
    """One page, and all that it did."""

    def __init__(self, browser, session):
        self._browser = browser
        self._session = session
        self.loads = 0
        """Pages that were there as a whole."""
        self.complaints = []
        """What stood on the console, exceptions, and what a policy forbade."""
        self.addresses = []
        """All that was asked for."""
        self.answers = {}
        """Address to status and headers of its last answer."""

    def prepare(self, *, width, height, dark, javascript, motion):
        """Set the screen and listen to everything."""
        for domain in ("Page", "Runtime", "Log", "Network", "DOM", "Accessibility", "Audits"):
            self.ask(f"{domain}.enable")
        self.ask("Page.setLifecycleEventsEnabled", enabled=True)
        self.resize(width, height)
        self.colours(dark=dark, motion=motion)
        if not javascript:
            self.ask("Emulation.setScriptExecutionDisabled", value=True)

    def resize(self, width, height):
        """Be a screen of that size; a narrow one is a telephone's."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def colours(self, *, dark, motion=True):
        """Prefer dark or light."""
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "no-preference" if motion else "reduce"},
        ]
        self.ask("Emulation.setEmulatedMedia", features=features)

    def ask(self, method, **parameters):
        """Send a command to this page."""
        return self._browser.ask(method, session=self._session, **parameters)

    def hear(self, method, parameters):
        """Keep what happens."""
        if method == "Page.loadEventFired":
            self.loads += 1
        elif method == "Network.requestWillBeSent":
            self.addresses.append(parameters["request"]["url"])
        elif method == "Network.responseReceived":
            response = parameters["response"]
            headers = {name.lower(): value for name, value in response["headers"].items()}
            self.answers[response["url"]] = (response["status"], headers)
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(parameters["exceptionDetails"]["text"])
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(" ".join(str(one.get("value", one)) for one in parameters["args"]))
        elif method == "Log.entryAdded":
            self.complaints.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")
        elif method == "Audits.issueAdded" and parameters["issue"]["code"] not in _OUR_DOING:
            self.complaints.append(f"{parameters['issue']['code']} {json.dumps(parameters['issue']['details'])[:500]}")

    def forget(self):
        """Begin again with what is kept."""
        for kept in (self.complaints, self.addresses, self.answers):
            kept.clear()

    def go(self, address):
        """Load an address, and wait until it is there as a whole."""
        self.settle(lambda: self.ask("Page.navigate", url=address))

    def click(self, selector):
        """Click on something that leads to another page."""
        place = f"""(() => {{
            const found = document.querySelector({json.dumps(selector)});
            found.scrollIntoView({{block: "center"}});
            const box = found.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()"""

        def press():
            x, y = self.run(place)
            for kind in ("mousePressed", "mouseReleased"):
                self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

        self.settle(press)

    def settle(self, action):
        """Do something that leads to another page, and wait until it is there."""
        loads = self.loads
        answer = action()
        if isinstance(answer, dict) and answer.get("errorText"):
            raise BrowserFault(answer["errorText"])
        self.wait(lambda: self.loads > loads)

    def wait(self, condition, limit=_LIMIT):
        """Wait until something holds. While one page follows another there is none to ask."""

        def holds():
            with suppress(BrowserFault):
                return condition()
            return False

        ends = time.monotonic() + limit
        while not holds():
            left = ends - time.monotonic()
            if left <= 0:
                raise BrowserFault("it did not happen in time")
            with suppress(BrowserFault):
                self._browser.take(min(left, 0.05))

    def run(self, expression):
        """Return the value of an expression; it is the test that runs it, not the page."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserFault(answer["exceptionDetails"]["exception"].get("description", "an exception"))
        return answer["result"].get("value")

    def type(self, selector, text):
        """Type into a field."""
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self.ask("Input.insertText", text=text)

    def press(self, key, code=0, modifiers=0):
        """Press a key."""
        what = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        if key == "Enter":
            what["text"] = "\r"
        self.ask("Input.dispatchKeyEvent", type="keyDown", **what)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **what)

    def tab(self):
        """Press the tabulator."""
        self.press("Tab", 9)

    def tree(self):
        """Return what a screen reader is told: (role, name, properties) of each node that is not ignored."""
        nodes = self.ask("Accessibility.getFullAXTree")["nodes"]
        return [
            (
                node["role"]["value"],
                node.get("name", {}).get("value", ""),
                {one["name"]: one["value"].get("value") for one in node.get("properties", ())},
            )
            for node in nodes
            if not node.get("ignored")
        ]

    def picture(self, path=None, *, whole=True):
        """Take a picture, PNG."""
        answer = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        if whole:
            size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
            answer = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        content = base64.b64decode(answer["data"])
        if path:
            Path(path).write_bytes(content)
        return content
