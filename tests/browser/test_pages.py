import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

pytestmark = pytest.mark.browser

NAMES = (
    "device",
    "hardware",
    "failed",
    "hostile",
    "comparison",
    "hostile comparison",
    "program",
    "hostile program",
    "diagnosis",
    "hostile diagnosis",
    "site index",
    "site list",
    *(
        f"site {kind}{which}"
        for kind in ("comparisons", "devices", "artifacts", "runs")
        for which in ("", ", hostile")
    ),
)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_fits_and_asks_for_nothing(chromium, pages, name):
    for width in (360, 768, 1440):
        for scheme in ("light", "dark"):
            chromium.open(pages[name], width=width, scheme=scheme)
            assert chromium.complaints() == []
            assert chromium.requests() == []
            assert chromium.overflow() == 0, f"at {width} pixels"
            assert chromium.ask("window.hacked") is None


@pytest.mark.parametrize("name", NAMES)
def test_axe_finds_nothing(chromium, pages, name):
    for width, scheme in ((360, "light"), (1440, "dark")):
        chromium.open(pages[name], width=width, scheme=scheme)
        assert chromium.violations() == []


@pytest.mark.parametrize("name", ["device", "comparison", "hostile", "program", "site comparisons"])
def test_a_page_prints_in_black_on_white_and_fits_the_paper(chromium, pages, name):
    # A4 between margins of 14 mm, at 96 pixels an inch.
    chromium.open(pages[name], width=688, scheme="dark", media="print")
    assert chromium.overflow() == 0
    assert chromium.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert chromium.ask(
        "[...document.querySelectorAll('.scroll')].every(e => e.scrollWidth <= e.clientWidth + 1)"
    )
    printed = chromium.command("Page.printToPDF", printBackground=True)
    assert len(printed["data"]) > 10_000


def test_the_colours_follow_the_scheme(chromium, pages):
    seen = {}
    for scheme in ("light", "dark"):
        chromium.open(pages["device"], scheme=scheme)
        text = "getComputedStyle(document.querySelector('svg text')).fill"
        bar = "getComputedStyle(document.querySelector('svg path[style*=\"--s1\"]')).fill"
        seen[scheme] = [
            chromium.ask("getComputedStyle(document.body).backgroundColor"),
            *map(chromium.ask, (text, bar)),
        ]
    assert all(light != dark for light, dark in zip(seen["light"], seen["dark"], strict=True))


def test_text_in_a_figure_is_legible_on_a_phone(chromium, pages):
    chromium.open(pages["device"], width=360)
    heights = chromium.ask(
        "[...document.querySelectorAll('svg text')].map(e => parseFloat(getComputedStyle(e).fontSize)"
        " * e.ownerSVGElement.getBoundingClientRect().width / e.ownerSVGElement.viewBox.baseVal.width)"
    )
    assert min(heights) >= 9


def test_no_text_leaves_its_figure(chromium, pages):
    names = (
        "device",
        "hardware",
        "comparison",
        "hostile",
        "program",
        "hostile program",
        "diagnosis",
        "hostile diagnosis",
        "site comparisons",
    )
    for name in names:
        chromium.open(pages[name], width=360)
        outside = chromium.ask(
            "[...document.querySelectorAll('svg text')].filter(e => {"
            " const t = e.getBoundingClientRect(), s = e.ownerSVGElement.getBoundingClientRect();"
            " return t.left < s.left - 1 || t.right > s.right + 1 ||"
            " t.top < s.top - 1 || t.bottom > s.bottom + 1;"
            "}).map(e => e.textContent)"
        )
        assert outside == [], name


def test_the_graph_is_closed_until_it_is_asked_for_and_says_why_an_operator_was_left_out(chromium, pages):
    chromium.open(pages["device"])
    (details,) = chromium.driver.find_elements(By.TAG_NAME, "details")
    assert not details.find_element(By.TAG_NAME, "svg").is_displayed()
    details.find_element(By.TAG_NAME, "summary").click()
    assert details.find_element(By.TAG_NAME, "svg").is_displayed()
    assert chromium.violations() == []
    titles = chromium.ask("[...document.querySelectorAll('details svg title')].map(e => e.textContent)")
    (left,) = (title for title in titles if "Left to portable kernels" in title)
    assert "aten.mean.dim in head" in left
    assert "Remedy: add 'global-mean'" in left


def test_a_filter_leaves_the_rows_that_fit(chromium, pages):
    chromium.open(pages["site list"])
    driver = chromium.driver
    whole = len(driver.find_elements(By.CSS_SELECTOR, "tbody tr"))
    driver.find_element(By.CSS_SELECTOR, "input[type=search]").send_keys("INT8")
    shown = [row for row in driver.find_elements(By.CSS_SELECTOR, "tbody tr") if row.is_displayed()]
    assert len(shown) == 16
    assert driver.find_element(By.TAG_NAME, "output").text == f"16 of {whole} shown"
    Select(driver.find_elements(By.TAG_NAME, "select")[1]).select_by_visible_text("fp32")
    assert not [row for row in driver.find_elements(By.CSS_SELECTOR, "tbody tr") if row.is_displayed()]


def test_a_column_sorts_by_number_both_ways(chromium, pages):
    chromium.open(pages["site list"])
    cells = "[...document.querySelectorAll('tbody tr')].map(r => r.cells[5].dataset.sort || '')"
    head = chromium.driver.find_elements(By.CSS_SELECTOR, "thead button")[5]
    head.click()
    rising = [float(cell) for cell in chromium.ask(cells) if cell]
    assert rising == sorted(rising)
    assert len(set(rising)) > 1
    assert "" not in chromium.ask(cells)[: len(rising)]
    head.click()
    assert [float(cell) for cell in chromium.ask(cells) if cell] == sorted(rising, reverse=True)
    assert chromium.ask("document.querySelectorAll('thead th')[5].getAttribute('aria-sort')") == "descending"


def test_without_javascript_the_tables_are_whole_and_links_lead_on(chromium, pages):
    chromium.open(pages["site index"], script=False)
    driver = chromium.driver
    assert driver.find_elements(By.CSS_SELECTOR, "input, select, thead button") == []
    link = driver.find_element(By.LINK_TEXT, "digits on virt-pi5")
    link.click()
    assert driver.find_element(By.TAG_NAME, "h1").text == "digits on virt-pi5"
    driver.find_element(By.CSS_SELECTOR, "#listing tbody tr th a").click()
    assert driver.find_element(By.TAG_NAME, "h1").text.startswith("digits.")
