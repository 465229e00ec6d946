# SPDX-License-Identifier: Apache-2.0
"""Debian's chromium without a window, spoken to by the DevTools protocol over its pipe.

    with Browser(folder) as browser:
        page = browser.open(path, width=360, dark=True)
        page.value("document.title")
        page.screenshot(path)
"""

import base64
import json
import os
import pathlib
import select
import subprocess
import time

DEADLINE = 150


class Browser:
    def __init__(self, folder):
        self.folder, self.number, self.seen, self.events = pathlib.Path(folder), 0, b"", []

    def __enter__(self):
        asked, self.out = os.pipe()
        self.answers, said = os.pipe()
        # The browser reads from descriptor 3 and writes to 4; root cannot have its sandbox.
        command = f'exec "$@" 3<&{asked} 4>&{said}'
        self.process = subprocess.Popen(
            ["bash", "-c", command, "bash", "chromium-headless-shell", "--headless", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--hide-scrollbars", f"--user-data-dir={self.folder}/profile",
             "--remote-debugging-pipe", "about:blank"], pass_fds=(asked, said), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={**os.environ, "HOME": str(self.folder)})
        os.close(asked)
        os.close(said)
        return self

    def __exit__(self, *problem):
        os.close(self.out)
        os.close(self.answers)
        self.process.terminate()
        self.process.wait(DEADLINE)

    def _message(self, end):
        while b"\0" not in self.seen:
            if not select.select([self.answers], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            more = os.read(self.answers, 1 << 20)
            if not more:
                raise EOFError("the browser ended")
            self.seen += more
        message, self.seen = self.seen.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + DEADLINE
        while True:
            answer = self._message(end)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait(self, method, session):
        end = time.monotonic() + DEADLINE
        while True:
            for event in self.events:
                if event.get("method") == method and event.get("sessionId") == session:
                    self.events.remove(event)
                    return event["params"]
            self.events.append(self._message(end))

    def open(self, path, width, height=800, dark=False):
        return Page(self, path, width, height, dark)


class Page:
    def __init__(self, browser, path, width, height, dark):
        self.browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        for domain in ("Page", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=pathlib.Path(path).as_uri())
        browser.wait("Page.loadEventFired", self.session)

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def value(self, expression):
        """What a JavaScript expression gives."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def events(self, method):
        self.value("1")
        return [event["params"] for event in self.browser.events
                if event.get("method") == method and event.get("sessionId") == self.session]

    def screenshot(self, path):
        """The whole page, however long."""
        image = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        pathlib.Path(path).write_bytes(base64.b64decode(image["data"]))
