"""Refusals in the page's language: by their codes, with the service's English sentence only where it says more."""

import re
from collections.abc import Callable
from typing import Any, Final

import pytest
from playwright.sync_api import Page

from easel.domain import errors
from easel.domain.errors import Refusal, Wording
from easel.domain.moderation.decision import Category, Decision, Finding, Layer, Level, ModerationOutcome, Stage
from easel.domain.task import ErrorCode
from tests.service.browser.conftest import NewVisit
from tests.support.browser import draw, require_chromium
from tests.support.running_service import Service

require_chromium()

STEP_S: Final = 0.02
SENTENCE: Final = "An English sentence of the service"
NOT_FOR_THE_PAGE: Final = {"edits_not_offered", "method_not_allowed", "model_not_found", "range_not_satisfiable"}
"""Codes that answer requests which the page never sends."""
WITH_THE_SENTENCE: Final = {"invalid_request", "invalid_parameters", "ledger_damaged", "unknown_error"}
"""Codes that say too little: the service's sentence has the rule, the reason or the account."""
IN_WORDS: Final = """async (errors) => {
    const load = (path) => import(new URL(path, document.baseURI));
    const [{ inWords }, { learn }] = await Promise.all([load("console/app/failures.js"), load("console/app/words.js")]);
    await learn("operating");
    return errors.map((error) => inWords(error));
}"""


def codes() -> list[str]:
    """Every code with which the service refuses the page's requests, or fails its tasks."""
    found = {str(code) for code in ErrorCode} | {"invalid_request", "model_access_denied", "payload_too_large"}
    found |= {"headers_too_large", "ledger_damaged"}
    for each in vars(errors).values():
        if isinstance(each, type) and issubclass(each, Refusal):
            wordings = [getattr(each, name, None) for name in ("generation", "task")]
            found |= {wording.code for wording in wordings if isinstance(wording, Wording)}
    return sorted(found - NOT_FOR_THE_PAGE)


def in_words(page: Page, shown: list[dict[str, Any]]) -> list[str]:
    said: list[str] = page.evaluate(IN_WORDS, shown)
    return said


def test_every_code_is_told_in_chinese_and_the_sentence_only_where_it_says_more(visit: NewVisit) -> None:
    page = visit(locale="zh-CN").open()
    listed = codes()
    said = dict(
        zip(listed, in_words(page, [{"code": code, "message": f"{SENTENCE}."} for code in listed]), strict=True)
    )
    assert {code for code, text in said.items() if SENTENCE in text} == WITH_THE_SENTENCE
    for code, text in said.items():
        assert re.search(r"[\u4e00-\u9fff]", text), code
        rest = text.replace(SENTENCE, "").replace("Easel", "").replace("Cookie", "")
        assert re.search(r"[A-Za-z]{3}", rest) is None, text


def test_a_code_that_the_page_does_not_know_is_told_with_the_sentence(visit: NewVisit) -> None:
    unknown = [{"code": "quite_new", "message": f"{SENTENCE}."}]
    assert in_words(visit().open(), unknown) == [f"{SENTENCE}."]
    assert in_words(visit(locale="zh-CN").open(), unknown) == [f"出错：{SENTENCE}。"]


@pytest.mark.parametrize("stage", list(Stage))
def test_every_category_that_moderation_refuses_is_told_in_chinese(visit: NewVisit, stage: Stage) -> None:
    page = visit(locale="zh-CN").open()
    refused = [
        Decision(
            stage, Level.BASIC, ModerationOutcome.REFUSED, Layer.RULES, Finding(category, Layer.RULES, "rule", "1")
        )
        for category in Category
    ]
    for text in in_words(page, [{"code": str(each.code), "message": each.message} for each in refused]):
        assert text.startswith("提示词未通过审核：" if stage is Stage.PROMPT else "图片未通过审核：")
        assert re.search(r"[A-Za-z]", text) is None, text


def test_a_chinese_reader_is_told_in_chinese_what_was_refused(visit: NewVisit) -> None:
    page = visit(locale="zh-CN").open()
    draw(page, "a naked child")
    page.wait_for_selector(".frame-message:has-text('提示词未通过审核：色情内容。')")
    assert re.search(r"[A-Za-z]", page.inner_text(".frame-message")) is None


def test_a_chinese_operator_is_told_which_field_is_wrong(
    visit: NewVisit, console: Service, new_key: Callable[..., str]
) -> None:
    operator = visit(console.new_key("operators", "1", "--scope", "admin", "--scope", "read"), locale="zh-CN")
    operator.expected = ("400", "409")
    page = operator.open("admin/accounts")
    page.click("text=新建账户")
    page.fill("#form-name", "operators")
    page.click("dialog .is-main")
    page.wait_for_selector("#form-fault:text-is('已有同名账户。')")
    page.fill("#form-credits", "viele")
    page.click("dialog .is-main")
    page.wait_for_selector("#form-fault:has-text('“授予额度”不符合要求：credits must be a number')")
    assert page.get_attribute("#form-credits", "aria-invalid") == "true"
