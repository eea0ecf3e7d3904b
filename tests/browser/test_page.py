"""What a reader sees and does, in a real browser without a network."""

import pytest

from browser.conftest import SECONDS, draw_all, loaded, requests, resized, visit

BY_ID = "id"
BY_CSS = "css selector"
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def opened(browser, page):
    """The page at a laptop's width, all figures drawn, as they are by themselves while nobody scrolls."""
    from selenium.webdriver.support.ui import WebDriverWait

    visit(browser, page, 1400)
    WebDriverWait(browser, SECONDS).until(
        lambda _: browser.execute_script("return figures.every((figure) => figure.dataset.drawn)")
    )
    return browser


def rows_shown(browser, column: int) -> list[str]:
    return browser.execute_script(
        "return [...document.querySelectorAll('#accuracy tbody tr')].filter((row) => row.offsetParent)"
        ".map((row) => row.cells[arguments[0]].textContent)",
        column,
    )


def test_the_page_of_300_models_is_small_and_opens_quickly(opened, page):
    assert page.stat().st_size < 4 * MEGABYTE
    assert loaded(opened) < 3000


def test_no_request_leaves_and_nothing_is_said_on_the_console(opened, page):
    asked = [address for address in requests(opened) if not address.startswith("data:")]
    assert asked == [page.as_uri()]
    assert [entry["message"] for entry in opened.get_log("browser")] == []


def test_every_figure_has_marks(opened):
    marks = opened.execute_script(
        "return Object.fromEntries(figures.map((figure) => [figure.id, figure.querySelectorAll("
        "'.mark-symbol path, .mark-line path, .mark-rect path, .mark-rule line').length]))"
    )
    assert len(marks) > 10
    assert {name for name, count in marks.items() if count < 3} == set()


def test_every_drawing_has_words_for_those_who_cannot_see_it(opened):
    words = opened.execute_script(
        "return figures.map((figure) => figure.querySelector('[role=graphics-document]').getAttribute('aria-label'))"
    )
    assert min(map(len, words)) > 40


def test_a_heading_sorts_the_rows_by_number_and_again_the_other_way(opened):
    headings = opened.find_elements(BY_CSS, "#accuracy thead th button")
    accuracy = next(button for button in headings if button.text.startswith("accuracy"))
    for descending in (False, True):
        accuracy.click()
        shown = [float(cell.split()[0]) for cell in rows_shown(opened, 4)]
        assert shown == sorted(shown, reverse=descending)
        assert len(set(shown)) > 5
    heading = opened.execute_script("return arguments[0].parentElement.getAttribute('aria-sort')", accuracy)
    assert heading == "descending"


def test_the_filter_leaves_rows_that_contain_every_word(opened):
    box = opened.find_element(BY_ID, "filter")
    everything = len(rows_shown(opened, 3))
    box.send_keys("heavy path")
    methods, settings = rows_shown(opened, 3), rows_shown(opened, 2)
    assert 0 < len(methods) < everything
    assert all("path" in method for method in methods)
    assert set(settings) == {"heavy"}
    assert opened.find_element(BY_ID, "shown").text == f"{len(methods)} rows"
    opened.execute_script("arguments[0].value = ''; arguments[0].dispatchEvent(new Event('input'))", box)
    assert len(rows_shown(opened, 3)) == everything


@pytest.mark.parametrize("figure", ["network-fc-network", "tree-fc-network"])
def test_pointing_at_a_model_shows_its_lineage(opened, figure):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.support.ui import WebDriverWait

    marks = opened.find_elements(BY_CSS, f"#{figure} .mark-symbol path")
    labels = [mark.get_attribute("aria-label") or "" for mark in marks]
    place = next(place for place, label in enumerate(labels) if "model: p4.g2.000.g3.000;" in label + ";")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", marks[place])
    ActionChains(opened).move_to_element(marks[place]).perform()
    WebDriverWait(opened, 20).until(
        lambda browser: "visible" in browser.find_element(BY_ID, "vg-tooltip-element").get_attribute("class")
    )
    text = opened.find_element(BY_ID, "vg-tooltip-element").text
    assert "p4 → p4.g2.000 → p4.g2.000.g3.000" in text
    assert "verdict" in text


def test_another_method_can_be_chosen_and_has_other_edges(opened):
    from selenium.webdriver.support.ui import Select, WebDriverWait

    def wrong() -> int:
        return opened.execute_script(
            "return [...document.querySelectorAll('#network-fc-network .mark-symbol path')]"
            ".filter((mark) => (mark.getAttribute('aria-label') || '').includes('verdict: wrong')).length"
        )

    before = wrong()
    Select(opened.find_element(BY_CSS, "#network-fc-network select")).select_by_visible_text("l1/direct")
    WebDriverWait(opened, 20).until(lambda _: wrong() != before)
    assert wrong() > before


def test_the_data_of_a_figure_can_be_read_as_a_table(opened):
    opened.execute_script("document.querySelector('#network-fc-network details').open = true")
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(opened, 20).until(
        lambda browser: len(browser.find_elements(BY_CSS, "#network-fc-network details tbody tr")) >= 300
    )


def test_everything_can_be_reached_with_the_keyboard(opened):
    unreachable = opened.execute_script(
        "return [...document.querySelectorAll('a[href], button, input, select, summary, .scroll')]"
        ".filter((each) => each.tabIndex < 0 || (each.matches('.scroll') && !each.getAttribute('aria-label') "
        "&& !each.getAttribute('aria-labelledby'))).map((each) => each.outerHTML.slice(0, 80))"
    )
    assert unreachable == []


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_text_stands_out_from_the_page_in_dark_and_light(opened, scheme):
    colours = opened.execute_script(
        "document.documentElement.dataset.scheme = arguments[0];"
        "const style = getComputedStyle(document.body);"
        "const label = getComputedStyle(document.querySelector('.role-axis-label text')).fill;"
        "const found = [style.color, style.backgroundColor, label];"
        "delete document.documentElement.dataset.scheme;"
        "return found",
        scheme,
    )
    ink, paper, label = ([int(part) for part in colour[4:-1].split(",")] for colour in colours)
    assert label == ink
    assert (sum(paper) < 128) == (scheme == "dark")
    assert abs(sum(ink) - sum(paper)) > 500


@pytest.mark.parametrize("width", [360, 1400])
def test_accuracies_and_their_methods_stay_in_sight(opened, width):
    resized(opened, width)
    places = opened.execute_script(
        "return [...document.querySelectorAll('#accuracy tbody tr')].slice(0, 20)"
        ".map((row) => [3, 4].map((place) => row.cells[place].getBoundingClientRect()))"
        ".map((places) => places.map(({left, right}) => [left, right]))"
    )
    assert len(places) == 20
    for method, accuracy in places:
        assert 0 <= method[0] < method[1] <= accuracy[0] + 1
        assert accuracy[1] <= width
    heads = opened.execute_script(
        "return [...document.querySelectorAll('.matrix')].map(({rows}) => [rows[1].cells[0], rows[1].cells[1]]"
        ".map((cell) => cell.getBoundingClientRect().right))"
    )
    assert all(0 < head < first <= width for head, first in heads)


@pytest.mark.parametrize("width", [360, 1400])
def test_nothing_overflows(opened, width):
    resized(opened, width)
    draw_all(opened)
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    too_wide, too_small = opened.execute_script(
        """const all = figures.map((figure) => [figure, figure.querySelector('svg')]);
           const named = (which) => all.filter(([figure, drawing]) =>
             which(drawing.getBoundingClientRect().width, figure.clientWidth, drawing.viewBox.baseVal.width)
           ).map(([{ id }]) => id);
           return [named((wide, room) => wide > room + 1), named((wide, _, drawn) => wide < 0.9 * drawn)];"""
    )
    assert too_wide == []
    assert too_small == [], "text of charts that is shown at less than nine tenths of its size"
