"""Take pictures of the sample's report, light and dark, for the README and the pages.

    python docs/pictures/take_pictures.py

Drives the Chromium of this machine without network. The same page and the same Chromium and fonts
give the same pictures.
"""

import shutil
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "reports" / "sample" / "report.html"
QUIET = ("--no-sandbox", "--disable-gpu", "--force-color-profile=srgb", "--hide-scrollbars")
#: Name of a picture -> colours, width and height in pixels, and the heading at its top, if any.
PICTURES = {
    "report": ("light", 1200, 800, ""),
    "report-dark": ("dark", 1200, 800, ""),
    "report-phone": ("light", 390, 800, ""),
    "report-bridge": ("light", 1200, 900, "From the source to billing"),
}


def main() -> None:
    """Write each picture beside this script."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        raise SystemExit("no Chromium on this machine")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=list(QUIET))
        for name in PICTURES:
            _take(browser, name)
        browser.close()


def _take(browser: Browser, name: str) -> None:
    colours, width, height, heading = PICTURES[name]
    context = browser.new_context(
        offline=True,
        color_scheme="dark" if colours == "dark" else "light",
        viewport={"width": width, "height": height},
        reduced_motion="reduce",
        timezone_id="UTC",
        locale="en-GB",
    )
    page = context.new_page()
    page.goto(PAGE.as_uri())
    if heading:
        page.get_by_role("heading", name=heading).first.evaluate("it => it.scrollIntoView()")
    page.screenshot(path=HERE / f"{name}.png", animations="disabled", caret="hide")
    context.close()


if __name__ == "__main__":
    main()
