"""The report in a real browser: Debian's Chromium, headless, offline."""

from pathlib import Path

import pytest
from tests.report.samples import case, everything_hostile, record

from planeval.report.html import write_html

CHROMIUM = Path("/usr/bin/chromium")
HOSTILE = (
    "<img src=x onerror=alert(1)><script>document.title='owned'</script>\u202e\x1b[2J" + "W" * 500
)

pytestmark = [
    pytest.mark.browser,
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
    return folder


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
@pytest.mark.parametrize("name", ["plain.html", "hostile.html"])
def test_the_page_is_not_wider_than_the_window(visit, width, name):
    """Nothing is cut off to the right, whatever the names are; wide tables scroll by themselves."""
    page = visit(name, viewport={"width": width, "height": 900}).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_hostile_names_stay_text(visit):
    """No dialog, no changed title, no image, no complaint."""
    seen = visit("hostile.html")
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
