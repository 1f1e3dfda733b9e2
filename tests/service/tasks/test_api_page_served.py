"""The API page, as readers get it."""

import re
from urllib.parse import urljoin

from tests.support.running_service import Service


def test_the_page_is_served_with_its_style_sheet_and_may_load_nothing_else(service: Service) -> None:
    with service.client() as stranger:
        page = stranger.get("/docs")
        loaded = re.findall(r'<link rel="stylesheet" href="([^"]+)"', page.text)
        sheet = stranger.get(urljoin(str(page.url), loaded[0]))
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(policy)
    assert "script-src 'self'" in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert sheet.url.path == "/docs/reference.css"
    assert len(loaded) == 2
    assert service.url in page.text
    assert re.findall(r"<script[^>]*>[^<]", page.text) == []
    assert (sheet.status_code, sheet.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "{" in sheet.text


def test_the_page_names_the_address_that_each_reader_used(service: Service) -> None:
    with service.client() as stranger:
        pages = {
            host: stranger.get("/docs", headers={"host": host}).text for host in ("a.test", "b.test:81", "[::1]:82")
        }
        refused = stranger.get("/docs", headers={"host": "a.test" + "x" * 300})
    for host, page in pages.items():
        assert page.count(f"http://{host}") > 20
        assert not re.search(r"base-url\.invalid|url-quote", page)
    assert len({page.replace(host, "").replace("&#x27;", "") for host, page in pages.items()}) == 1
    assert refused.status_code == 400
