"""The report in a real browser: Debian's Chromium, headless, offline."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.report.samples import case, everything_hostile, record

from planeval.case import Case
from planeval.protocol.comparison import compare_records
from planeval.report.comparison_html import write_comparison
from planeval.report.html import write_html

CHROMIUM = Path("/usr/bin/chromium")
HOSTILE = (
    "<img src=x onerror=alert(1)><script>document.title='owned'</script>\u202e\x1b[2J" + "W" * 500
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
        )
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    write_html(folder / "plain.html", record(), case())
    write_html(folder / "hostile.html", everything_hostile(HOSTILE), case())
    write_html(folder / "all.html", record(), case(), slices="all")
    known = case(image=False)
    named = {f"{HOSTILE} {n}": replace(each, name=f"{HOSTILE} {n}")
             for n, each in enumerate(known.structures.values())}  # fmt: skip
    hostile = Case(replace(known.data, structures=named))
    write_html(folder / "hostile-all.html", everything_hostile(HOSTILE), hostile, slices="all")
    write_html(folder / "reference.html", record(), known, reference=hotter())
    evaluations = [record(), everything_hostile(HOSTILE)]
    compared = compare_records([record(), record()])
    write_comparison(folder / "comparison.html", compared, [record(), record()], [known, hotter()])
    spoiled = compare_records([evaluations[1]] * 2)
    write_comparison(
        folder / "hostile-comparison.html", spoiled, [evaluations[1]] * 2, [known, known]
    )
    return folder


def hotter():
    """The sample case with 10 % more dose, and without its CT."""
    known = case(image=False)
    terms = tuple(replace(term, gy=1.1 * term.gy) for term in known.dose.terms)
    return Case(replace(known.data, dose=replace(known.dose, terms=terms)))


class Visit:
    """A page, what it complained about, and what it asked for."""

    def __init__(self, browser, path, **options):
        self.context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 900}, **options}
        )
        self.page = self.context.new_page()
        self.complaints, self.requests, self.dialogs = [], [], []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("dialog", lambda dialog: (self.dialogs.append(dialog), dialog.dismiss()))
        self.page.goto(path.as_uri())
        self.page.wait_for_load_state("load")


@pytest.fixture
def visit(browser, reports):
    opened = []

    def open_report(name="plain.html", **options):
        opened.append(Visit(browser, reports / name, **options))
        return opened[-1]

    yield open_report
    for each in opened:
        each.context.close()


def test_it_loads_quietly_and_offline(visit):
    """No console message, no error, no request but the file and its own data."""
    seen = visit(offline=True)
    assert seen.complaints == []
    assert [url for url in seen.requests if not url.startswith("data:")] == [seen.page.url]
    assert seen.page.locator("#dvh-live canvas").count() == 1


def test_curves_toggle_with_the_keyboard(visit):
    """A box shows and hides its curve, in the chart and in the printed one."""
    page = visit().page
    box = page.locator("input[data-toggle]").nth(0)
    line = page.locator(".dvh-static g[data-line='0']")
    assert "off" in line.get_attribute("class")
    box.focus()
    page.keyboard.press("Space")
    assert box.is_checked()
    assert "off" not in (line.get_attribute("class") or "")


def test_groups_of_curves(visit):
    """All, none, targets."""
    page = visit().page
    for group, count in (("all", 7), ("none", 0), ("targets", 2), ("start", 5)):
        page.locator(f"button[data-group={group}]").click()
        assert page.locator("input[data-toggle]:checked").count() == count


def test_volumes_are_read_at_a_dose(visit):
    """The reading in % and in cc is what the DVH says."""
    page = visit().page
    dvh = case().dvh("GTV")
    gtv = page.locator("li[data-structure]", has_text="GTV").first.locator(".readout")
    page.locator("#dvh-dose").fill("57")
    assert float(gtv.inner_text().split()[0]) == pytest.approx(
        dvh.v(gy=57, unit="%").value, abs=0.3
    )
    page.locator("input[name=dvh-volume][value=cc]").check()
    assert gtv.inner_text().endswith("cc")
    assert float(gtv.inner_text().split()[0]) == pytest.approx(dvh.v(gy=57).value, abs=0.1)
    assert page.locator("#dvh-share").inner_text() == "= 103.6 % of 55 Gy"


def test_hovering_reads_volumes(visit):
    """The pointer over the chart fills the readings."""
    page = visit().page
    chart = page.locator("#dvh-live .u-over")
    chart.scroll_into_view_if_needed()
    chart.hover()
    assert page.locator("#dvh-dose").input_value() != ""
    assert all(text for text in page.locator(".readout").all_inner_texts())


def test_layers_of_the_slices_toggle(visit):
    """Isodose lines disappear from all three pictures and come back."""
    page = visit().page
    box = page.locator("input[data-layer=isodoses]")
    shown = page.locator(".slice [data-in=isodoses]:visible")
    assert shown.count() > 10
    box.uncheck()
    assert shown.count() == 0
    box.check()
    assert shown.count() > 10


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize(
    "name",
    ["plain.html", "hostile.html", "all.html", "hostile-all.html", "comparison.html",
     "hostile-comparison.html"],
)  # fmt: skip
def test_the_page_is_not_wider_than_the_window(visit, width, name):
    """Nothing is cut off to the right, whatever the names are; wide tables scroll by themselves."""
    page = visit(name, viewport={"width": width, "height": 900}).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", ["hostile.html", "hostile-all.html", "hostile-comparison.html"])
def test_hostile_names_stay_text(visit, name):
    """No dialog, no changed title, no image, no complaint."""
    seen = visit(name)
    if name == "hostile-all.html":
        ready(seen.page)
    assert seen.dialogs == []
    assert seen.complaints == []
    assert seen.page.title() != "owned"
    assert seen.page.locator("img").count() == 0


def test_without_scripts_the_static_chart_shows(visit):
    """Everything but the controls is there."""
    page = visit(java_script_enabled=False).page
    assert page.locator(".dvh-static").is_visible()
    assert not page.locator(".controls").is_visible()
    assert not page.locator("#dvh-live").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(visit, scheme):
    """Statuses and muted text keep at least 4.5 to 1 against what is behind them (WCAG AA)."""
    page = visit(color_scheme=scheme).page
    poor = page.evaluate(
        """() => {
          const parts = (text) => text.match(/[\\d.]+/g).map(Number);
          const light = ([r, g, b]) => [r, g, b].map((part) => {
            const share = part / 255;
            return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
          }).reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
          const ground = (node) => {
            for (let at = node; at; at = at.parentElement) {
              const colour = parts(getComputedStyle(at).backgroundColor);
              if (colour.length === 3 || colour[3] > 0) return colour;
            }
            return [255, 255, 255];
          };
          const poor = [];
          for (const node of document.querySelectorAll(".status, .severity, small, dt, a, th, td")) {
            const pair = [light(parts(getComputedStyle(node).color)), light(ground(node))];
            const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
            if (ratio < 4.5) poor.push([node.className, node.textContent.slice(0, 30), ratio]);
          }
          return poor;
        }"""
    )
    assert poor == []


def test_it_prints(visit):
    """Printing gives pages with the static chart, also after curves were toggled."""
    page = visit().page
    page.locator("button[data-group=none]").click()
    page.emulate_media(media="print")
    assert page.locator(".dvh-static").is_visible()
    assert not page.locator("#dvh-live").is_visible()
    assert page.locator("li[data-structure]:visible").count() == 0
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_a_reference_plan_toggles(visit):
    """Its curves go with its box, in the chart that is printed as well; the structures stay."""
    seen = visit("reference.html")
    page = seen.page
    assert seen.complaints == []
    theirs = page.locator(
        ".dvh-static g[stroke-dasharray], .dvh-static path[stroke-dasharray='8 4']"
    )
    on = page.locator("li[data-structure]:not(.off)").count()
    page.locator("input[data-plan='1']").uncheck()
    hidden = page.evaluate(
        "[...document.querySelectorAll(\".dvh-static path[stroke-dasharray='8 4']\")]"
        ".every((path) => path.parentNode.classList.contains('off'))"
    )
    assert theirs.count() > 0
    assert hidden
    assert page.locator("li[data-structure]:not(.off)").count() == on


def test_readings_name_the_plan(visit):
    """Each plan of a comparison has its own volume at a dose."""
    page = visit("comparison.html").page
    page.locator("#dvh-dose").fill("57")
    parts = page.locator("li[data-structure]", has_text="GTV").first.locator(".part")
    numbers = [float(part.locator(".readout").inner_text().split()[0]) for part in parts.all()]
    assert len(numbers) == 2
    assert numbers[1] > numbers[0]
    assert parts.nth(1).inner_text().startswith("B")


def ready(page):
    """Wait until the slices are unpacked and drawn."""
    page.locator("#viewer").scroll_into_view_if_needed()
    page.locator("#viewer.ready").wait_for()
    page.wait_for_function("document.querySelector('#viewer .caption, #viewer output').textContent")
    settle(page)


def settle(page):
    """Let a frame be drawn."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


@pytest.fixture(scope="module")
def opened(browser, reports):
    """The report with all slices, open once for the tests that look at it."""
    seen = Visit(browser, reports / "all.html", offline=True)
    ready(seen.page)
    yield seen
    seen.context.close()


@pytest.fixture
def slices(opened):
    """The open report at its first place; afterwards it has complained and asked of nothing."""
    page = opened.page
    page.locator("input[name=viewer-window][value=soft]").check()
    page.locator("#viewer-jump").select_option("1")
    page.locator("#viewer-jump").select_option("0")
    settle(page)
    yield page
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [page.url]


def figure(page, plane):
    return page.locator(f"figure[data-plane={plane}]")


def position(page, plane):
    """The position in mm that a view says."""
    text = figure(page, plane).locator("output").inner_text().replace("−", "-")
    return float(re.search(r"= (-?[\d.]+) mm", text)[1])


def drawn(page, plane, kind, number):
    """The points of a drawn path, in mm from the left upper corner, one array a line."""
    path = figure(page, plane).locator(f"path[data-{kind}='{number}']").get_attribute("d") or ""
    return [
        np.array([[float(n) for n in pair.split()] for pair in line.rstrip("Z").split("L")])
        for line in path.split("M")[1:]
    ]


LOW = (-181.0, -119.0)
TOP = 76.5
NAMES = list(case().structures)


def test_slices_scroll_by_wheel_key_and_slider(slices):
    """Up is towards the head; the ends are ends; the slider says where it is."""
    stage = figure(slices, "axial").locator(".stage")
    start = position(slices, "axial")
    stage.hover()
    slices.mouse.wheel(0, -100)
    settle(slices)
    assert position(slices, "axial") == start + 3
    stage.focus()
    for key, place in (
        ("ArrowDown", start),
        ("PageUp", start + 30),
        ("End", 75.0),
        ("Home", -75.0),
    ):
        slices.keyboard.press(key)
        settle(slices)
        assert position(slices, "axial") == place
    slider = figure(slices, "coronal").locator("input")
    slider.focus()
    before = position(slices, "coronal")
    slices.keyboard.press("ArrowRight")
    settle(slices)
    assert position(slices, "coronal") == before + 2
    assert slider.get_attribute("aria-valuetext").startswith("y = ")


def test_axial_outlines_are_the_drawn_contours(slices):
    """In the page's own path, within a fifth of a millimetre."""
    (ring,) = drawn(slices, "axial", "outline", NAMES.index("GTV"))
    x, y = ring.T + np.array(LOW)[:, None]
    share = ((x + 80) / 20) ** 2 + (y / 20) ** 2
    height = position(slices, "axial")
    assert share == pytest.approx([1 - ((height - 10) / 18) ** 2] * len(ring), abs=0.03)


def test_upright_outlines_are_the_edges_of_the_slabs(slices):
    """The coronal liver spans what its slabs do, step by step."""
    slices.locator(f"input[data-viewer-structure='{NAMES.index('Liver')}']").check()
    settle(slices)
    y = position(slices, "coronal")
    lines = drawn(slices, "coronal", "outline", NAMES.index("Liver"))
    points = np.concatenate(lines)
    x, z = points[:, 0] + LOW[0], TOP - points[:, 1]
    upright = [line for line in lines if line[0][0] == line[1][0]]
    middle = [line for line in upright if abs(TOP - line.mean(axis=0)[1] - 10) < 1.6]
    across = 1 - ((y + 10) / 70) ** 2
    ends = sorted(line[0][0] + LOW[0] for line in middle)
    assert ends[0] == pytest.approx(-60 - 80 * across**0.5, abs=0.6)
    assert ends[-1] == pytest.approx(-60 + 80 * across**0.5, abs=0.6)
    assert z.max() == pytest.approx(10 + 55 * across**0.5, abs=4)
    assert x.min() == ends[0]


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_isodose_lines_lie_on_the_dose(slices, plane):
    """The dose at the drawn points is the level, in every plane."""
    labels = slices.locator("#viewer .layers ul").first.locator("label").all_inner_texts()
    number = next(n for n, text in enumerate(labels) if text.startswith("27.50 Gy"))
    points = np.concatenate(drawn(slices, plane, "isodose", number))
    across, down, fixed = points[:, 0], points[:, 1], np.full(len(points), position(slices, plane))
    x, y, z = {
        "axial": (across + LOW[0], down + LOW[1], fixed),
        "coronal": (across + LOW[0], fixed, TOP - down),
        "sagittal": (fixed, across + LOW[1], TOP - down),
    }[plane]
    doses = [case().dose_at(*point).value for point in zip(x, y, z, strict=True)]
    assert len(doses) > 50
    assert doses == pytest.approx([27.5] * len(doses), abs=0.5)


def test_display_windows_change_the_picture(slices):
    """Liver at 100 HU is (100 - 40 + 175) / 350 grey, and brighter in the lung window."""
    grey = """() => {
      const copy = document.createElement("canvas");
      const context = copy.getContext("2d", { willReadFrequently: true });
      context.drawImage(document.querySelector("figure[data-plane=axial] canvas"), -70, -49);
      const pixels = context.getImageData(0, 0, 8, 8).data;
      return pixels.reduce((sum, part, n) => sum + (n % 4 ? 0 : part), 0) / 64;
    }"""
    assert slices.evaluate(grey) == pytest.approx(255 * 235 / 350, abs=8)
    for value, expected in (("lung", 255 * 1450 / 1500), ("bone", 255 * 700 / 2000)):
        slices.locator(f"input[name=viewer-window][value={value}]").check()
        settle(slices)
        assert slices.evaluate(grey) == pytest.approx(expected, abs=8)


def test_structures_isodoses_and_wash_toggle(slices):
    """Each box has its lines, in all three planes; the wash brings its colour bar."""
    name = NAMES.index("GTV")
    lines = slices.locator(f"#viewer path[data-outline='{name}']:not(.off)")
    assert lines.count() == 3
    slices.locator(f"input[data-viewer-structure='{name}']").uncheck()
    settle(slices)
    assert lines.count() == 0
    slices.locator(f"input[data-viewer-structure='{name}']").check()
    slices.locator("input[data-viewer-level='3']").uncheck()
    settle(slices)
    assert drawn(slices, "axial", "isodose", 3) == []
    assert not slices.locator(".wash-scale").is_visible()
    slices.locator("input[data-show=wash]").check()
    settle(slices)
    assert slices.locator(".wash-scale").is_visible()
    assert slices.locator(".wash-scale .ticks span").first.inner_text() == "5.5 Gy · 10 %"
    coloured = slices.evaluate(
        """() => { const canvas = document.querySelector("figure[data-plane=axial] canvas.wash");
        return canvas.getContext("2d").getImageData(101, 119, 1, 1).data[3]; }"""
    )
    assert coloured > 0
    slices.locator("input[data-viewer-level='3']").check()
    slices.locator("input[data-show=wash]").uncheck()


def test_a_failed_row_leads_to_its_place(slices):
    """The button beside the row and the list show the hottest point of the colon."""
    x, y, z = case().dvh("Colon").hottest.position_mm
    slices.locator("button[data-jump]").first.scroll_into_view_if_needed()
    row = slices.locator("tr", has_text="Colon").locator("button[data-jump]")
    row.click()
    settle(slices)
    for plane, place, step in (("axial", z, 3), ("coronal", y, 2), ("sagittal", x, 2)):
        assert abs(position(slices, plane) - place) <= step / 2 + 0.06
    dose = float(re.search(r"([\d.]+) Gy", slices.locator("#viewer-reading").inner_text())[1])
    assert dose == pytest.approx(case().dvh("Colon").hottest.gy, abs=0.05)
    slices.locator("#viewer-jump").select_option("0")
    settle(slices)
    assert position(slices, "axial") == pytest.approx(10, abs=1.6)


def test_a_jump_before_the_slices_are_unpacked_is_kept(visit):
    """The button of a row far above them: they open where it leads, without a complaint."""
    seen = visit("all.html")
    seen.page.locator("tr", has_text="Colon").locator("button[data-jump]").click()
    seen.page.locator("#viewer.ready").wait_for()
    settle(seen.page)
    height = case().dvh("Colon").hottest.position_mm[2]
    assert abs(position(seen.page, "axial") - height) <= 1.6
    assert drawn(seen.page, "axial", "outline", NAMES.index("External"))
    assert seen.complaints == []


def test_a_click_moves_the_other_planes(slices):
    """The place under the pointer is where they cut."""
    stage = figure(slices, "axial").locator(".stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    slices.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)
    settle(slices)
    width, height = 362.0, 238.0
    assert position(slices, "sagittal") == pytest.approx(LOW[0] + width / 2, abs=6)
    assert position(slices, "coronal") == pytest.approx(LOW[1] + height / 4, abs=6)


def test_paper_keeps_the_key_slices(slices):
    """The scrollable ones are for the screen."""
    slices.emulate_media(media="print")
    assert not slices.locator("#viewer").is_visible()
    assert slices.locator(".slice svg").first.is_visible()
    slices.emulate_media(media="screen")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("delete window.DecompressionStream", "DecompressionStream"),
        (
            "const real = CanvasRenderingContext2D.prototype.getImageData;"
            "CanvasRenderingContext2D.prototype.getImageData = function (...a) {"
            "const made = real.apply(this, a); made.data.fill(255); return made; }",
            "alters pictures",
        ),
    ],
)
def test_a_browser_that_cannot_says_why(browser, reports, script, reason):
    """An old browser, or one that falsifies what a page reads: a sentence instead of wrong slices."""
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(script)
    page.goto((reports / "all.html").as_uri())
    page.locator("#viewer").scroll_into_view_if_needed()
    page.locator("#viewer.failed").wait_for(state="attached")
    assert reason in page.locator("#viewer-status").inner_text()
    assert not page.locator("#viewer .views").is_visible()
    assert page.locator(".slice svg").first.is_visible()
    context.close()
