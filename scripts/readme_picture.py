"""Makes the README's picture from the demo's report: make demo && python scripts/readme_picture.py

Needs Chromium and the test extras (make test installs them).
"""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]


def main() -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1040, "height": 900}, device_scale_factor=1.5)
        page.goto((ROOT / "demo" / "report.html").as_uri())
        page.locator("section").first.screenshot(path=ROOT / "docs" / "images" / "demo.png")
        browser.close()


if __name__ == "__main__":
    main()
