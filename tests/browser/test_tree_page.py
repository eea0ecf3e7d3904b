"""The page of a family tree in a real browser without a network, of 10 and of 1,000 models."""

import base64
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from unit.drawn_trees import FAMILIES, large_tree, small_tree

from browser.conftest import loaded, requests, visit
from browser.test_audit_page import coloured, contrast
from lineage.genealogy.page.write import write_html

BY_CSS, BY_ID = "css selector", "id"
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    trees = {"small": small_tree(), "large": large_tree()}
    for name, tree in trees.items():
        write_html(tree, folder / f"{name}.html")
    return {name: folder / f"{name}.html" for name in trees}


@pytest.fixture
def opened(browser, pages):
    """Opens a page at a width."""

    def opening(name: str, width: int = 1280, height: int = 800):
        visit(browser, pages[name], width, height)
        return browser

    return opening


def waited(browser, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, 20).until(condition)


def named(browser, name: str):
    """The row of a model."""
    return next(
        row
        for row in browser.find_elements(BY_CSS, "#rows .row:not(.ghost)")
        if row.get_attribute("aria-label").split(", ")[0] == name
    )


def names(browser, selector: str = "#rows .row:not(.ghost)") -> list[str]:
    return browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map((row) => row.ariaLabel.split(', ')[0])",
        selector,
    )


def test_a_thousand_models_are_small_open_quickly_and_ask_for_nothing(opened, pages):
    browser = opened("large")
    assert pages["large"].stat().st_size < 6 * MEGABYTE
    assert loaded(browser) < 3000
    assert [address for address in requests(browser) if not address.startswith("data:")] == [
        pages["large"].as_uri()
    ]
    assert [entry["message"] for entry in browser.get_log("browser")] == []


@pytest.mark.parametrize("name", ["small", "large"])
@pytest.mark.parametrize("width", [360, 1400])
def test_nothing_overflows(opened, name, width):
    browser = opened(name, width, 740)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    outside = browser.execute_script(
        """const isOut = ({ left, right }) => left < 0 || right > innerWidth + 1;
           return [...document.querySelectorAll('header *, .zoom button, aside *')].filter(
             (each) => each.checkVisibility() && isOut(each.getBoundingClientRect())
           ).map((each) => each.outerHTML.slice(0, 80));"""
    )
    assert outside == []
    assert browser.execute_script("return stage.getBoundingClientRect().height") > 250


def test_each_kind_of_edge_and_model_looks_different(opened):
    browser = opened("small")
    lines = browser.execute_script(
        """return [...document.querySelectorAll('#edges .edge')].map((group) => {
             const { stroke, strokeDasharray, strokeWidth } = getComputedStyle(group.querySelector('.shown'));
             const name = group.getAttribute('class').replace(' lineage', '');
             return [name, [stroke, strokeDasharray, strokeWidth].join(' '), !!group.querySelector('.arrow')];
           });"""
    )
    looks = {name: look for name, look, _ in lines}
    sure = {"edge trained", "edge merged", "edge branched-off", "edge training-line"}
    unsure = {"edge trained unsure", "edge branched-off unsure"}
    assert set(looks) == sure | unsure
    assert len({looks[name] for name in sure}) == len(sure)
    assert not {looks[name] for name in unsure} & {looks[name] for name in sure}
    assert {name for name, _, has_arrow in lines if has_arrow} == sure - {"edge training-line"}
    shapes = browser.execute_script(
        """return ['model', 'merge', 'open'].map((kind) => {
             const glyph = document.querySelector(`#rows .${kind} .glyph`);
             return glyph.tagName + getComputedStyle(glyph).strokeDasharray;
           });"""
    )
    assert len(set(shapes)) == 3


def test_pointing_at_an_edge_shows_its_evidence(opened):
    from selenium.webdriver import ActionChains

    browser = opened("small")
    reach = browser.find_element(BY_CSS, ".edge.trained.unsure .reach")
    ActionChains(browser).move_to_element(reach).move_by_offset(0, 8).perform()
    tip = browser.find_element(BY_ID, "tip")
    waited(browser, lambda _: tip.is_displayed())
    assert "r0 and r0.c are neighbours" in tip.text
    assert "probability 0.66" in tip.text
    assert "other possible parents: r0.b 0.20, r0.a < 0.01" in tip.text


def test_a_chosen_model_shows_all_that_is_known_of_it_and_its_lineage(opened):
    browser = opened("small")
    named(browser, "merge").click()
    assert browser.switch_to.active_element.get_attribute("aria-label").startswith("merge, ")
    text = browser.find_element(BY_ID, "chosen").text
    assert "zoo/merge.safetensors" in text
    assert text.count("merge is a merge") == 2
    assert re.search("weight 0.60.*weight 0.40", text, re.DOTALL)
    assert "recipe: task arithmetic on r0; it leaves 1.2 % of the merge's change" in text
    assert "r0 → r0.a → merge" in text
    assert names(browser, "#rows .lineage") == ["r0", "r0.a", "merge"]
    browser.find_element(BY_CSS, "[data-model='r0.b']").click()
    assert "it is of another family" in browser.find_element(BY_ID, "chosen").text


def test_the_search_finds_what_is_closed_opens_it_and_goes_from_hit_to_hit(opened):
    browser = opened("large")
    assert "family-1/m30" not in names(browser)
    box = browser.find_element(BY_ID, "search")
    box.send_keys("family-1/m3")
    counted = browser.find_element(BY_ID, "hits")
    sought = [node.id for node in large_tree().nodes if "family-1/m3" in node.id]
    waited(browser, lambda _: counted.text == f"1 of {len(sought)}")
    assert sorted(names(browser, "#rows .hit")) == sorted(sought)
    box.send_keys("\ue007\ue007")
    waited(browser, lambda _: counted.text == f"2 of {len(sought)}")
    chosen = browser.find_element(BY_CSS, "#rows .chosen")
    assert (
        chosen.get_attribute("aria-label").split(", ")[0] == browser.find_element(BY_CSS, "#chosen h2").text
    )
    waited(
        browser,
        lambda _: browser.execute_script(
            """const [row, box] = [arguments[0].getBoundingClientRect(), stage.getBoundingClientRect()];
               return row.left >= box.left && row.top >= box.top && row.bottom <= box.bottom;""",
            chosen,
        ),
    )


def test_branches_open_and_close_by_pointer_and_by_keyboard(opened):
    from selenium.webdriver.common.keys import Keys

    browser = opened("small")
    everything = names(browser)
    named(browser, "r0.a").find_element(BY_CSS, ".glyph").click()
    assert set(everything) - set(names(browser)) == {"merge", "r0.a.g"}
    assert named(browser, "r0.a").get_attribute("aria-expanded") == "false"
    focused = browser.switch_to.active_element
    focused.send_keys(Keys.ARROW_RIGHT)
    assert names(browser) == everything
    browser.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    assert browser.switch_to.active_element.get_attribute("aria-label").startswith("merge")
    assert len(browser.find_elements(BY_CSS, "#rows [tabindex='0']")) == 1


def test_all_thousand_models_can_be_opened_and_closed(opened):
    browser = opened("large")
    browser.find_element(BY_ID, "open-all").click()
    assert len(names(browser, "#rows .model")) == 1000
    browser.find_element(BY_ID, "close-all").click()
    assert len(names(browser, "#rows .model")) < 100


def test_a_long_family_goes_on_on_further_cards_and_no_line_leaves_its_card(opened):
    browser = opened("large")
    browser.find_element(BY_ID, "open-all").click()
    assert browser.execute_script("return document.querySelectorAll('#rows .ghost').length") >= 2
    cards, lines = browser.execute_script(
        """const corners = ({ x, y, width, height }) => [x, y, x + width, y + height];
           return ['#cards rect', '#edges .shown, #edges .trunk'].map(
             (chosen) => [...document.querySelectorAll(chosen)].map((each) => corners(each.getBBox())));"""
    )
    assert len(cards) > FAMILIES + 1
    outside = [
        line
        for line in lines
        if not any(
            card[0] <= line[0] and card[1] <= line[1] and line[2] <= card[2] and line[3] <= card[3]
            for card in cards
        )
    ]
    assert outside == []


def test_wheel_buttons_and_drags_move_and_zoom(opened):
    from selenium.webdriver import ActionChains

    browser = opened("large")
    read = "return ({ ...view })"
    before = browser.execute_script(read)
    browser.find_element(BY_ID, "closer").click()
    assert browser.execute_script(read)["scale"] > before["scale"] * 1.2
    stage = browser.find_element(BY_ID, "stage")
    start = browser.execute_script(read)
    ActionChains(browser).move_to_element(stage).click_and_hold().move_by_offset(0, -60).move_by_offset(
        0, -60
    ).release().perform()
    dragged = browser.execute_script(read)
    assert start["y"] - dragged["y"] == pytest.approx(120, abs=6)
    ActionChains(browser).scroll_from_origin(_origin(stage), 0, 200).perform()
    waited(browser, lambda _: browser.execute_script(read)["y"] == pytest.approx(dragged["y"] - 200, abs=1))
    assert browser.find_element(BY_ID, "chosen").is_displayed() is False


def _origin(element):
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    return ScrollOrigin.from_element(element)


def test_the_drawing_is_saved_as_svg_and_png_that_need_no_page(opened):
    browser = opened("small")
    text = browser.execute_async_script("const done = arguments[0]; asFile().file.text().then(done)")
    root = ET.fromstring(text)
    drawn = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"r0", "r0.a.g", "merge", "family-2", "an ancestor that is not here"} <= set(drawn)
    assert "var(" not in text
    assert "class=" not in text
    png = browser.execute_async_script(
        "const done = arguments[0], reader = new FileReader();"
        "asPng().then((file) => { reader.onload = () => done(reader.result); reader.readAsDataURL(file); })"
    )
    content = base64.b64decode(png.partition(",")[2])
    width, height = (int.from_bytes(content[start : start + 4], "big") for start in (16, 20))
    assert content.startswith(b"\x89PNG")
    assert (width, height) == (2 * int(root.get("width")), 2 * int(root.get("height")))


@pytest.mark.parametrize("name", ["small", "large"])
def test_printing_gives_one_sheet_with_text_of_the_whole_drawing(opened, name):
    browser = opened(name)
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    content = base64.b64decode(printed["data"])
    assert content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", content)) == 1
    assert b"/Font" in content


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_text_stands_out_from_what_is_behind_it(opened, scheme):
    """At least the contrast of 4.5 that WCAG 2.2 asks for (success criterion 1.4.3)."""
    browser = opened("small")
    coloured(browser, scheme)
    try:
        named(browser, "r0.b").click()
        pairs = browser.execute_script(
            """const card = getComputedStyle(document.querySelector('.card')).fill;
               const behind = (each) => {
                 if (each.closest('#world')) return card;
                 for (; each; each = each.parentElement) {
                   const colour = getComputedStyle(each).backgroundColor;
                   if (colour !== 'rgba(0, 0, 0, 0)') return colour;
                 }
               };
               const texts = [...document.querySelectorAll('#world text, header *, aside *')].filter((each) =>
                 !each.disabled && [...each.childNodes].some((child) => child.nodeType === 3 && child.data.trim()));
               return texts.map((each) => [each.className.baseVal ?? each.tagName,
                 getComputedStyle(each)[each.closest('#world') ? 'fill' : 'color'], behind(each)]);"""
        )
    finally:
        coloured(browser, "")
    assert len(pairs) > 50
    assert {(name, ink, paper) for name, ink, paper in pairs if contrast(ink, paper) < 4.5} == set()
