"""The head of the API page: the console's, so that readers can go back and forth."""

from easel.web.reference.endpoints import CONSOLE_HEAD
from tools.api_page.markup import Html, element, joined


def console_head() -> Html:
    """The console's head, between marks at which a service without a console cuts it out."""
    links = (("Draw", "./"), ("Gallery", "./#/gallery"), ("Code", "./#/code"), ("Usage", "./#/usage"))
    brand = element(
        "a",
        element("img", src="docs/easel.svg", alt="", width="28", height="28"),
        element("span", "Easel"),
        href="./",
        class_="brand",
    )
    api = element("a", "API", href="#introduction", aria_current="page")
    tabs = element("nav", *(element("a", name, href=address) for name, address in links), api, aria_label="Console")
    return joined([Html(CONSOLE_HEAD[0]), element("header", brand, tabs, class_="console-head"), Html(CONSOLE_HEAD[1])])
