"""The page of one audit in a real browser without a network: at a phone's and a laptop's width, light and dark."""

import pytest
from safetensors.numpy import save_file
from unit.small_networks import ROOTS, child_of, save_all

from browser.conftest import requests, resized, visit
from lineage.auditing.report.bundle import write_html
from lineage.auditing.run import audit

BY_CSS = "css selector"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Of a child with its parent, a sibling, a grandchild, strangers, and candidates with names that never break."""
    folder = tmp_path_factory.mktemp("page")
    bases = folder / "bases"
    bases.mkdir()
    child = child_of(ROOTS["p2"], 27)
    models = ROOTS | {"sibling": child_of(ROOTS["p2"], 10), "grandchild": child_of(child, 11)}
    models |= {"a_name_of_a_checkpoint_that_has_no_place_to_break_a_line" * 2: child_of(ROOTS["p2"], 12)}
    save_all(bases, models)
    (bases / "broken.safetensors").write_text("<html>")
    save_file(child, folder / "child.safetensors")
    report = audit(folder / "child.safetensors", bases, claimed="p1", store_digests=False)
    write_html(report.to_dict(), folder / "audit.html")
    return folder / "audit.html"


@pytest.fixture
def opened(browser, page):
    """The page, at a laptop's width."""
    visit(browser, page, 1400)
    return browser


def coloured(browser, scheme: str) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )


@pytest.mark.parametrize("width", [360, 1400])
def test_nothing_overflows_but_wide_tables_which_scroll(opened, width):
    resized(opened, width)
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    outside = opened.execute_script(
        "return [...document.querySelectorAll('h1, h2, dt, dd, p, li, .wide')].filter((each) => "
        "each.getBoundingClientRect().right > innerWidth).map((each) => each.outerHTML.slice(0, 80))"
    )
    assert outside == []


def test_every_table_can_be_reached_and_scrolled_with_the_keyboard(opened):
    tables = opened.find_elements(BY_CSS, "table")
    assert len(tables) >= 3
    named = opened.find_elements(BY_CSS, ".wide[tabindex='0'][aria-label]")
    assert len(named) == len(tables)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_text_stands_out_from_what_is_behind_it(opened, scheme):
    """At least the contrast of 4.5 that WCAG 2.2 asks for (success criterion 1.4.3)."""
    coloured(opened, scheme)
    try:
        pairs = opened.execute_script(
            """const claim = document.querySelector('.contradicted');
               for (const state of ['supported', 'undetermined']) claim.insertAdjacentHTML(
                 'afterend', `<span class="${state}">${state}</span>`);
               const behind = (each) => {
                 for (; each; each = each.parentElement) {
                   const colour = getComputedStyle(each).backgroundColor;
                   if (colour !== 'rgba(0, 0, 0, 0)') return colour;
                 }
               };
               return [...document.querySelectorAll('h1, h2, p, dt, dd, th, td, span, code, li')].map(
                 (each) => [each.className, getComputedStyle(each).color, behind(each)]);"""
        )
    finally:
        coloured(opened, "")
    assert len(pairs) > 100
    papers = {behind for *_, behind in pairs}
    assert (max(map(luminance, papers)) < 0.2) == (scheme == "dark")
    weak = {(name, ink, paper) for name, ink, paper in pairs if contrast(ink, paper) < 4.5}
    assert weak == set()


def luminance(colour: str) -> float:
    """Relative luminance of `rgb(r, g, b)` (WCAG 2.2)."""
    parts = [int(part) / 255 for part in colour[4:-1].split(",")]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """The ratio of two colours' luminances."""
    dark, light = sorted(map(luminance, (first, second)))
    return (light + 0.05) / (dark + 0.05)


def test_no_request_leaves_and_nothing_is_said_on_the_console(opened, page):
    assert [address for address in requests(opened) if not address.startswith("data:")] == [page.as_uri()]
    assert [entry["message"] for entry in opened.get_log("browser")] == []


def test_the_first_thing_said_is_the_sentence_and_the_three_answers_follow(opened):
    heading = opened.find_element(BY_CSS, "h1").text
    assert "child.safetensors" in heading
    terms = [term.text for term in opened.find_elements(BY_CSS, "dt")]
    assert terms[:5] == ["Verdict", "Family", "Closest", "Relation", "Because"]
    assert "Claimed parent" in terms
