"""The report in a real browser: it shows, sorts and filters, fetches nothing, and runs nothing that a run holds."""

import json
import re
import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

import results
from results.report import sections
from results.report.page import page
from tests.help.exports import make_run as finished_run
from tests.help.reports import AXES, CANARY, HOSTILE, make_run

pytestmark = pytest.mark.long(30)

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "a <i>run & co", AXES)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not (CHROMIUM and DRIVER):
        pytest.skip("Chromium and its driver are not installed (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--enable-unsafe-swiftshader",
        "--window-size=1300,1000",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def show(browser, folder, run, **options):
    file = folder / "report.html"
    file.write_text(page(run, **options), encoding="utf-8")
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(file.as_uri())
    WebDriverWait(browser, 30).until(lambda b: b.execute_script("return rows.length") is not None)
    WebDriverWait(browser, 30).until(lambda b: b.find_elements(By.CSS_SELECTOR, "#parallel .parcoords"))
    # Whatever is below is drawn when it comes into view.
    browser.execute_script("for (const one of document.querySelectorAll('.plot')) if (one.figure) draw(one)")
    return browser


def complaints(browser):
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [
        one["params"]["request"]["url"]
        for one in asked
        if one["method"] == "Network.requestWillBeSent"
        and not one["params"]["request"]["url"].startswith("data:")
    ]
    errors = [
        entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")
    ]
    # The software renderer of a machine without a GPU says that it is slow.
    return [e for e in errors if "GPU stall" not in e and "swiftshader" not in e.lower()], urls


def cells(browser, name):
    return browser.execute_script(
        "const place = columns.findIndex((one) => one.name === arguments[0]);"
        "return [...document.querySelectorAll('#leaderboard tbody tr')].map((line) => line.cells[place].textContent)",
        name,
    )


@pytest.mark.heavy
def test_hostile_names_and_values_are_text(browser, hostile, tmp_path):
    show(browser, tmp_path, results.open(hostile))
    assert browser.execute_script("return window.canary") is None
    errors, urls = complaints(browser)
    assert errors == [] and all(url.startswith(("file:", "blob:")) for url in urls)
    assert browser.title == "a <i>run & co" == browser.find_element(By.ID, "title").text
    [name, *_] = AXES
    found = {*cells(browser, name)}
    browser.find_element(By.ID, "after").click()
    assert found | {*cells(browser, name)} == set(HOSTILE)
    heads = browser.execute_script(
        "return [...document.querySelectorAll('#leaderboard th')].map((h) => h.textContent)"
    )
    assert name in heads and "fixed" in heads
    assert HOSTILE[0] in browser.find_element(By.ID, "sections").text  # the message of what failed
    # Nor has plotly made elements of labels.
    assert (
        browser.execute_script(
            "return document.querySelectorAll('.plot b, .plot img, .plot a[href^=java]').length"
        )
        == 0
    )


BLOCK = r'<script type="application/json" id="data">(.*?)</script>'


def content_of(text):
    [block] = re.findall(BLOCK, text, re.DOTALL)
    return json.loads(block)


@pytest.mark.heavy  # takes seconds
def test_the_page_holds_no_text_that_ends_its_data(hostile):
    text = page(results.open(hostile))
    [block] = re.findall(BLOCK, text, re.DOTALL)
    content = content_of(text)
    [name, *_] = AXES
    column = next(one for one in content["table"]["columns"] if one["name"] == name)
    assert sorted(column["texts"]) == sorted(HOSTILE)
    assert not set("<>&\u2028") & set(block)
    assert (
        text.lower().count("<script") == 3 + text.count('"<script')
        or CANARY not in text.split('id="data"')[0]
    )


@pytest.mark.heavy
def test_the_table_sorts_and_filters_by_mouse_and_keyboard(browser, hostile, tmp_path):
    run = results.open(hostile)
    show(browser, tmp_path, run)
    ranked = run.points.dropna(subset=["loss_va"]).sort_values(["loss_va", "idx"])
    assert cells(browser, "idx")[:5] == [str(idx) for idx in ranked["idx"].head(5)]
    head = browser.find_element(By.CSS_SELECTOR, "th[data-name=idx] button")
    head.send_keys("\ue007")  # Enter
    assert cells(browser, "idx")[:3] == ["0", "1", "2"]
    head.click()
    assert cells(browser, "idx")[:3] == ["53", "52", "51"]
    assert (
        browser.find_element(By.CSS_SELECTOR, "th[data-name=idx]").get_attribute("aria-sort") == "descending"
    )

    Select(browser.find_element(By.CSS_SELECTOR, "#facets label[title=rate] select")).select_by_visible_text(
        "0.01"
    )
    kept = run.points.query("rate == 0.01")
    assert browser.execute_script("return rows.length") == len(kept) == 18
    assert set(cells(browser, "rate")) == {"0.01"}
    low, high = browser.execute_script(
        "return document.getElementById('parallel')._fullData[0].dimensions[1].constraintrange"
    )
    assert 0 < low < 1 < high < 2
    assert browser.find_element(By.ID, "count").text.startswith("18 of 54 points")
    browser.find_element(By.CSS_SELECTOR, "#facets input").send_keys("null")
    assert browser.execute_script("return rows.length") == kept["size"].isna().sum() == 6
    browser.find_element(By.CSS_SELECTOR, "#facets button").click()
    assert browser.execute_script("return rows.length") == 54
    assert complaints(browser)[0] == []


@pytest.mark.ci
@pytest.mark.heavy
def test_brushing_filters(browser, hostile, tmp_path):
    run = results.open(hostile)
    show(browser, tmp_path, run)
    # As dragging does: plotly tells what is kept by this event.
    browser.execute_async_script(
        "const place = document.getElementById('parallel');"
        "Plotly.restyle(place, {'dimensions[1].constraintrange': [[[0.7, 1.3]]]}).then(arguments[0])"
    )
    assert browser.execute_script("return dimensions[1]") == "rate"
    assert browser.execute_script("return rows.length") == run.points["rate"].eq(0.01).sum() == 18
    assert (
        Select(
            browser.find_element(By.CSS_SELECTOR, "#facets label[title=rate] select")
        ).first_selected_option.text
        == "0.01"
    )
    # The highest the plot shows stands for all beyond it.
    limit = browser.execute_script("return data.parallel.layout.meta.limit")
    browser.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "const place = document.getElementById('parallel');"
        "Plotly.restyle(place, {'dimensions[1].constraintrange': [null], 'dimensions[3].constraintrange':"
        " [[[arguments[0] - 0.5, arguments[0]]]]}).then(done)",
        limit,
    )
    assert browser.execute_script("return rows.length") == (run.points["loss_va"] >= limit - 0.5).sum() > 2


@pytest.mark.ci
@pytest.mark.heavy
@pytest.mark.parametrize("mode", ["min", "max"])
def test_brushing_the_metric_keeps_what_is_inside_and_what_the_plot_cuts(browser, tmp_path, mode):
    # Losses that are better when higher; and negative ones, such as likelihoods.
    rows = [{"idx": idx, "loss_va": (-1 if mode == "min" else 1) * (1.0 + idx)} for idx in range(40)]
    run = finished_run(
        tmp_path / "out", {"rate": list(range(40))}, rows, objective={"metric": "loss", "mode": mode}
    )
    show(browser, tmp_path, run)
    limit = browser.execute_script("return data.parallel.layout.meta.limit")
    losses = run.points["loss_va"]
    beyond = losses > limit if mode == "min" else losses < limit
    assert beyond.sum() == 2
    # A range that reaches the limit, and one that ends at the best value.
    best = (losses.min(), losses.min() + 5) if mode == "min" else (losses.max() - 5, losses.max())
    reaching = [limit - 5, limit] if mode == "min" else [limit, limit + 5]
    for brushed, expected in (
        (reaching, losses.between(*reaching) | beyond),
        (list(best), losses.between(*best)),
    ):
        browser.execute_async_script(
            "const place = document.getElementById('parallel');"
            "Plotly.restyle(place, {'dimensions[1].constraintrange': [[arguments[0]]]}).then(arguments[1])",
            [float(end) for end in brushed],
        )
        assert browser.execute_script("return rows.length") == expected.sum() > 2


COLOUR_OF_SHARED_LINE = """
const canvas = document.querySelector("#parallel canvas.gl-canvas-focus");
const copy = document.createElement("canvas");
[copy.width, copy.height] = [canvas.width, canvas.height];
const pixels = copy.getContext("2d");
pixels.drawImage(canvas, 0, 0);
// Midway between the first two of four axes; beside the axes the canvas has 45 pixels for dragging.
const overdrag = 45 * canvas.width / canvas.clientWidth;
const x = Math.round(overdrag + (canvas.width - 2 * overdrag) / 6);
for (let y = canvas.height - 1; y >= 0; y--) {
  const [red, green, blue, alpha] = pixels.getImageData(x, y, 1, 1).data;
  if (alpha > 128) return [red, green, blue];
}
return null;
"""


@pytest.mark.ci
@pytest.mark.parametrize(("scheme", "best"), [("light", (68, 1, 84)), ("dark", (253, 231, 37))])
@pytest.mark.heavy
def test_the_best_line_is_drawn_over_the_others(browser, tmp_path, scheme, best):
    # Lines of points that differ in "c" alone are one line between "a" and "b"; the lowest on the page is of 10 points.
    run = results.open(make_run(tmp_path / "out", {"a": [0, 1], "b": [0, 1], "c": list(range(10))}))
    assert run.points["loss_va"].idxmin() == 0
    try:
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        show(browser, tmp_path, run)
        shown = WebDriverWait(browser, 20).until(lambda b: b.execute_script(COLOUR_OF_SHARED_LINE))
        assert shown == pytest.approx(best, abs=8)  # an end of Viridis
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.ci
@pytest.mark.heavy
def test_it_is_read_on_a_phone_and_in_the_dark(browser, hostile, tmp_path):
    show(browser, tmp_path, results.open(hostile))
    light = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    try:
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": 380, "height": 800, "deviceScaleFactor": 2, "mobile": True},
        )
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
        )
        # The plots follow the new width a moment later.
        WebDriverWait(browser, 20).until(
            lambda b: b.execute_script("return document.documentElement.scrollWidth") <= 380
        )
        assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") != light
        colour = WebDriverWait(browser, 10).until(
            lambda b: b.execute_script(
                "const text = document.querySelector('#sections .plot .xtitle'); return text && getComputedStyle(text).fill"
            )
        )
        assert min(map(int, re.findall(r"\d+", colour)[:3])) > 128  # light on dark
        # The plot of all axes is as wide as they need, to be scrolled; a legend leaves its panels their width.
        assert browser.execute_script("return document.getElementById('parallel').clientWidth") >= 750
        legends = (
            "[...document.querySelectorAll('#sections .plot')].map((p) => p._fullLayout?.legend?.orientation)"
        )
        WebDriverWait(browser, 10).until(lambda b: b.execute_script(f"return {legends}.includes('h')"))
        assert "v" not in browser.execute_script(f"return {legends}")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_every_section_of_a_real_run_is_there(browser, small_run, tmp_path):
    run = results.open(small_run)
    show(browser, tmp_path, run)
    titles = [head.text for head in browser.find_elements(By.TAG_NAME, "h2")]
    assert titles == [
        "The points", "What matters", "What each value does", "What size buys", "Learning curves", "The winner",
        "What Keras trains", "Where it comes from",
    ]  # fmt: skip
    best = run.top(1, "loss_va").iloc[0]
    assert f"{best['loss_va']:.4g}" in browser.find_element(By.ID, "cards").text
    assert complaints(browser)[0] == []


def test_pruned_points_are_nowhere_mixed_with_others(tmp_path):
    # Idx 0 has the lowest losses of all, but was pruned.
    run = results.open(make_run(tmp_path / "out", {"rate": [0.1, 0.01, 0.001, 1e-4]}, pruned=[0]))
    content = content_of(page(run))
    cards = {label: more for label, _, more in content["cards"]}
    assert cards["best loss_va"] == "point 1" and cards["lowest loss_te"].startswith("point 1;")
    for section in content["sections"][1:4]:  # values, size, learning curves
        assert any(note.startswith("1 pruned points are left out") for note in section["notes"]), section
        for _, figure in section["figures"]:
            assert not any(
                0 in trace.get("customdata", []) for trace in figure["data"] if "idx" in str(trace)
            )


@pytest.mark.heavy  # takes long
def test_files_that_do_not_fit_the_rows_are_said_or_passed_over(tmp_path):
    path = make_run(tmp_path / "out", {"rate": [0.1, 0.01]})
    run = results.open(path)
    for content in ('{"data": 3}', '{"data": []}', "[]"):
        run.folder.fingerprint.write_text(content)
        run.folder.progress.write_text('{"versions": [], "spent_s": 3}')
        assert "Where it comes from" in page(run)
    run.folder.plan.write_text("space: {rate: [0.1], other: [1, 2]}")
    with pytest.raises(ValueError, match='no column "other"'):
        page(results.open(path))


def test_a_metric_that_is_not_there_is_said(hostile):
    with pytest.raises(ValueError, match='Did you mean "loss_va"'):
        page(results.open(hostile), "los_va")


def test_the_table_and_the_plot_number_the_values_of_an_axis_alike(tmp_path):
    # The last point wins, so the order of the ranking is not that of the commits.
    rows = [{"idx": idx, "loss_va": 3.0 - idx} for idx in range(3)]
    run = finished_run(tmp_path / "out", {"act": ["a", "b", "c"]}, rows)
    content = content_of(page(run))
    [column] = [one for one in content["table"]["columns"] if one["name"] == "act"]
    assert column["texts"] == content["parallel"]["data"][0]["dimensions"][0]["ticktext"] == ["a", "b", "c"]
    assert column["values"] == [2, 1, 0]


def test_an_axis_with_too_many_values_to_show_one_by_one_is_left_out_and_named(tmp_path):
    axes = {"rate": [number / 1000 for number in range(1, 102)], "units": [2, 4]}
    run = finished_run(tmp_path / "out", axes, [{"idx": idx} for idx in range(202)])
    sections = {section["title"]: section for section in content_of(page(run))["sections"]}
    for title, drawn in (
        ("What each value does", ["units"]),
        ("Learning curves", ["the best 5", "by units"]),
    ):
        assert [name for name, _ in sections[title]["figures"]] == drawn
        assert any(note.startswith("rate is left out here") for note in sections[title]["notes"])


def test_bands_of_very_many_points_are_of_some_drawn_at_random(tmp_path, monkeypatch):
    monkeypatch.setattr(sections, "BANDS_OF", 3)
    run, asked = (
        finished_run(tmp_path / "out", {"units": [1, 2, 3, 4]}, [{"idx": idx} for idx in range(4)]),
        [],
    )
    read = results.run.Run.curves

    def curves(self, *arguments):
        asked.append(arguments)
        return read(self, *arguments)

    monkeypatch.setattr(results.run.Run, "curves", curves)
    [section] = [one for one in content_of(page(run))["sections"] if one["title"] == "Learning curves"]
    assert "The bands are of 3 points, drawn at random from 4." in section["notes"]
    idx, columns = asked[-1]
    assert len(idx) == 3 and columns == ["val_loss"]
