"""The picture of the README: this takes a screenshot of the top of a run's report in Chromium. It is not a benchmark.

`make picture OUT=runs/abalone`, or: python -m tests.benchmarks.picture RUN FILE.png [CHROMIUM]
"""

import io
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

import results
from results.report.page import page

WIDTH, HEIGHT = 1200, 1250
COLOURS = 64
"""Colours of the palette. The report uses few colours, so a palette makes the file small."""


def screenshot(html: str, chromium: str) -> bytes:
    """Return the top of a page as a PNG."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "report.html").write_text(html, encoding="utf-8")
        subprocess.run(
            [
                chromium,
                "--headless",
                "--no-sandbox",  # root cannot have one; the page is our own and fetches nothing
                "--hide-scrollbars",
                "--enable-unsafe-swiftshader",  # draws WebGL without a graphics processor
                "--virtual-time-budget=15000",  # milliseconds of the page's own time, for its plots
                f"--window-size={WIDTH},{HEIGHT}",
                f"--user-data-dir={folder / 'profile'}",
                f"--screenshot={folder / 'shot.png'}",
                (folder / "report.html").as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )
        return (folder / "shot.png").read_bytes()


def main() -> None:
    run, file, chromium = sys.argv[1], Path(sys.argv[2]), (sys.argv[3:] or ["chromium"])[0]
    image = Image.open(io.BytesIO(screenshot(page(results.open(run)), chromium))).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"Wrote {file} ({file.stat().st_size / 1000:,.0f} kB).")


if __name__ == "__main__":
    main()
