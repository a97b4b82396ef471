"""A headless Chromium that is driven through its pipe: real key events, real downloads."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest


def chromium() -> str:
    """Return the path of a browser, or skip the test."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no chromium is installed")
    return found


class Browser:
    """A page in a browser.

    Args:
        page: The file that is shown.
        folder: Where downloads go, and the profile is kept.
    """

    def __init__(self, page: Path, folder: Path) -> None:
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        command = [
            "bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "browser", chromium(),
            "--headless=new", "--no-sandbox", "--disable-gpu",
            f"--user-data-dir={folder / 'profile'}", "--remote-debugging-pipe", "about:blank",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, pass_fds=(theirs_in, theirs_out), stderr=subprocess.DEVNULL
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._number, self._left = 0, b""
        made = self._call("Target.createTarget", url="about:blank")
        self._session = self._call(
            "Target.attachToTarget", targetId=made["targetId"], flatten=True
        )["sessionId"]
        self._call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
        self._call("Page.enable", self._session)
        self.open(page)

    def open(self, page: Path) -> None:
        """Show another file."""
        self._call("Page.navigate", self._session, url=page.as_uri())
        while self.value("document.readyState") != "complete":
            pass

    def look(self, width: int, scheme: str) -> None:
        """Look at the page at another width in pixels, "light" or "dark"."""
        self._call(
            "Emulation.setDeviceMetricsOverride", self._session,
            width=width, height=900, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        wanted = [{"name": "prefers-color-scheme", "value": scheme}]
        self._call("Emulation.setEmulatedMedia", self._session, features=wanted)

    def visit(self, address: str, words: str, seconds: float = 120.0) -> None:
        """Show a page that scripts write, and wait for words of it.

        Args:
            address: URL.
            words: Part of the text that the page has in the end.
            seconds: How long to wait.
        """
        self._call("Page.navigate", self._session, url=address)
        self.wait_for(f"(document.body?.innerText ?? '').includes({json.dumps(words)})", seconds)

    def wait_for(self, expression: str, seconds: float = 120.0) -> None:
        """Wait until an expression of JavaScript is true; fail with the page's text."""
        deadline = time.monotonic() + seconds
        while not self.value(expression):
            if time.monotonic() > deadline:
                pytest.fail(f"not {expression}: {self.value('document.body?.innerText')}")
            time.sleep(0.2)

    def picture(self, image: Path, most: int = 6000) -> None:
        """Write the page as a PNG.

        Args:
            image: Where.
            most: Pixels of its height; what is below is cut off.
        """
        size = self._call("Page.getLayoutMetrics", self._session)["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": self.value("innerWidth"), "scale": 1}
        shot = self._call(
            "Page.captureScreenshot", self._session, captureBeyondViewport=True,
            clip={**clip, "height": min(max(size["height"], 600), most)},
        )  # fmt: skip
        image.write_bytes(base64.b64decode(shot["data"]))

    def press(self, key: str) -> None:
        """Press and release a key."""
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        self._call("Input.dispatchKeyEvent", self._session, type="keyDown", key=key, **text)
        self._call("Input.dispatchKeyEvent", self._session, type="keyUp", key=key)

    def value(self, expression: str) -> Any:
        """Return what an expression of JavaScript gives."""
        found = self._call(
            "Runtime.evaluate", self._session, expression=expression, returnByValue=True
        )
        return found["result"].get("value")

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(20)
        os.close(self._in)
        os.close(self._out)

    def _call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._left:
                piece = os.read(self._in, 1 << 16)
                if not piece:
                    raise RuntimeError("the browser has ended")
                self._left += piece
            text, _, self._left = self._left.partition(b"\0")
            answer = json.loads(text)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
