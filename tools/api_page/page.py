"""Renders the API page from the OpenAPI document.

The page can be read without scripts. It has no inline script or style and loads only files of its own, so it works
under the console's policy. Every text of the document is escaped. Descriptions may use a small part of Markdown. Only
the features of OpenAPI that Easel's document uses are supported: no cookies, no form bodies, no recursive schemas.
"""

import json
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from easel.web.reference.endpoints import BASE_URL, URL_QUOTE
from tools.api_page.console_head import console_head
from tools.api_page.document import NAME, Node, expanded
from tools.api_page.markup import Html, blocks, code, element, inline, joined, json_block

_METHODS: Final = ("get", "head", "post", "put", "patch", "delete")
_PATTERN_CHARACTERS_MAX: Final = 60
"""Longer patterns are not shown. Their descriptions explain them in words."""


Cell: TypeAlias = tuple[str, str]
"""A column's name and the cell's content."""


@dataclass(frozen=True, slots=True)
class _Operation:
    method: str
    path: str
    body: Node
    parameters: tuple[Node, ...]
    needs_key: bool

    @property
    def anchor(self) -> str:
        return str(self.body["operationId"])


def page_template(document: Node) -> str:
    """The page, with placeholders for the service's address that the service fills in."""
    plain = expanded(document)
    operations = tuple(_operations(plain))
    info = plain["info"]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{info['title']} API"),
        # Relative, so that the page also works under a path prefix of a reverse proxy.
        element("link", rel="icon", href="docs/easel.svg", type="image/svg+xml"),
        element("link", rel="stylesheet", href="docs/reference.css"),
        element("link", rel="stylesheet", href="docs/try.css"),
        element("script", src="docs/early.js"),
        element("script", type="module", src="docs/try.js"),
    )
    main = element(
        "main",
        _introduction(info, plain["components"]["securitySchemes"]),
        *(_operation_section(operation) for operation in operations),
        _errors_section(plain, operations),
        _objects_section(plain, operations),
    )
    # The text comes first, so that a narrow screen begins with it. A wide screen shows the contents next to it.
    body = element("body", console_head(), main, _contents(plain, operations))
    return "<!doctype html>\n" + element("html", head, body, lang="en")


def _operations(document: Node) -> Iterator[_Operation]:
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method not in item:
                continue
            body = item[method]
            yield _Operation(
                method=method.upper(),
                path=path,
                body=body,
                parameters=(*item.get("parameters", ()), *body.get("parameters", ())),
                needs_key=bool(body.get("security", document.get("security"))),
            )


def _introduction(info: Node, schemes: Node) -> Html:
    return element(
        "header",
        element("h1", info["title"], " ", element("small", f"API {info['version']}")),
        element("p", info.get("summary", ""), class_="lead"),
        element(
            "p",
            "Base address ",
            code(BASE_URL),
            " · ",
            element("a", "OpenAPI document", href="openapi.json"),
            element("a", "Contents", href="#contents", class_="to-contents"),
        ),
        blocks(info.get("description", "")),
        element("h2", "Authentication"),
        *(blocks(scheme.get("description", "")) for scheme in schemes.values()),
        id="introduction",
    )


def _contents(document: Node, operations: Sequence[_Operation]) -> Html:
    by_tag: dict[str, list[Html]] = {tag["name"]: [] for tag in document.get("tags", ())}
    for operation in operations:
        link = element("a", _method(operation.method), " ", operation.body["summary"], href=f"#{operation.anchor}")
        by_tag.setdefault(operation.body["tags"][0], []).append(element("li", link))
    groups = [part for tag, links in by_tag.items() if links for part in (element("h2", tag), element("ul", *links))]
    schemas = (element("li", _schema_link(name)) for name in _objects(document, operations))
    return element(
        "nav",
        element("a", document["info"]["title"], href="#introduction", class_="home"),
        *groups,
        element("h2", element("a", "Errors", href="#errors")),
        element("h2", element("a", "Objects", href="#objects")),
        element("ul", *schemas, class_="objects"),
        id="contents",
        class_="contents",
        aria_label="Contents",
    )


def _operation_section(operation: _Operation) -> Html:
    body = operation.body
    key = "Needs a key." if operation.needs_key else "Needs no key."
    return element(
        "section",
        element("h2", body["summary"]),
        element("p", _method(operation.method), " ", code(operation.path), " ", element("small", key), class_="route"),
        blocks(body.get("description", "")),
        _parameters(operation.parameters),
        _request(body),
        element("h3", "Try it", class_="try-heading"),
        *(_curl_block(caption, command) for caption, command in _curl_commands(operation)),
        element("h3", "Answers"),
        *(_response(status, response) for status, response in body["responses"].items()),
        id=operation.anchor,
        data_operation=operation.path,
    )


def _method(method: str) -> Html:
    return element("b", method, class_=f"method {method.lower()}")


def _parameters(parameters: Iterable[Node]) -> Html:
    rows = [
        _row(each["name"], each["schema"] | _described(each), required=each.get("required", False), place=each["in"])
        for each in parameters
    ]
    return joined([element("h3", "Parameters"), _table(rows)] if rows else [])


def _described(node: Node) -> dict[str, Any]:
    return {key: node[key] for key in ("description", "example") if key in node}


def _request_schema(body: Node) -> Node:
    schema: Node = body.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return schema


def _request(body: Node) -> Html:
    if "requestBody" not in body:
        return Html()
    schema = _request_schema(body)
    return joined(
        (
            element("h3", "Request"),
            blocks(body["requestBody"].get("description", "")),
            blocks(schema.get("description", "")),
            _table(list(_property_rows(schema))),
        )
    )


def _response(status: str, response: Node) -> Html:
    headers = (
        element("li", code(name), " ", inline(header.get("description", "")))
        for name, header in response.get("headers", {}).items()
    )
    links = (
        element("p", "Next: ", element("a", link.get("description", name), href=f"#{link['operationId']}"))
        for name, link in response.get("links", {}).items()
    )
    kind = f"status s{status[0]}"
    return Html(
        f"<details{' open' if status == '200' else ''}>"
        + element("summary", element("b", status, class_=kind), " ", inline(response["description"]))
        + element("ul", *headers, class_="headers")
        + joined(_content(media, content) for media, content in response.get("content", {}).items())
        + joined(links)
        + "</details>"
    )


def _content(media: str, content: Node) -> Html:
    schema = content.get("schema", {})
    link = [": ", _schema_link(schema[NAME])] if NAME in schema else []
    shown = json_block if media == "application/json" else str
    examples = (_example(caption, shown(value)) for caption, value in _examples(content))
    return joined((element("p", code(media), *link), *examples))


def _examples(content: Node) -> Iterator[tuple[str, Any]]:
    if "example" in content:
        yield "", content["example"]
    for name, example in content.get("examples", {}).items():
        yield example.get("summary", name), example["value"]


def _example(caption: str, text: str) -> Html:
    return element("figure", *_caption(caption), element("pre", code(text), tabindex="0"))


def _caption(text: str) -> list[Html]:
    return [element("figcaption", text)] if text else []


def _curl_block(caption: str, command: str) -> Html:
    return element("figure", *_caption(caption), element("pre", code(command), class_="copy", tabindex="0"))


def _curl_commands(operation: _Operation) -> Iterator[tuple[str, str]]:
    request = operation.body.get("requestBody", {}).get("content", {}).get("application/json")
    if request is None:
        yield "", _curl(operation, None)
        return
    for caption, value in _examples(request):
        yield caption, _curl(operation, json.dumps(value, ensure_ascii=False))


def _curl(operation: _Operation, data: str | None) -> str:
    path = operation.path
    for parameter in operation.parameters:
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", quote(str(parameter["example"]), safe=""))
    method = {"GET": "", "HEAD": "--head "}.get(operation.method, f"--request {operation.method} ")
    assert shlex.quote(path) == path, "quotes are needed only for some addresses of the service"
    words = [f"curl {method}{URL_QUOTE}{BASE_URL}{path}{URL_QUOTE}"]
    if operation.needs_key:
        words.append("--header 'Authorization: Bearer YOUR_API_KEY'")
    if data is not None:
        words += ["--header 'Content-Type: application/json'", f"--data {shlex.quote(data)}"]
    if operation.method == "GET" and any(media.startswith("image/") for media in _media(operation)):
        words.append("--remote-name")
    if "text/event-stream" in _media(operation):
        words.append("--no-buffer")
    return " \\\n  ".join(words)


def _media(operation: _Operation) -> Iterable[str]:
    content: Node = operation.body["responses"].get("200", {}).get("content", {})
    return content


# Errors and objects.


def _errors_section(document: Node, operations: Iterable[_Operation]) -> Html:
    where: dict[tuple[str, ...], list[Html]] = {}
    for operation in operations:
        link = element("a", operation.body["summary"], href=f"#{operation.anchor}")
        for error in _errors(operation.body["responses"]):
            where.setdefault(error, []).append(link)
    for error in _errors(document.get("x-any-address", {})):
        where.setdefault(error, []).append(Html("any address"))
    rows = [
        (
            ("Status", status),
            ("Error code", code(error_code)),
            ("Error type", code(type_)),
            ("Message", message),
            ("Answered by", joined(links, ", ")),
        )
        for (status, error_code, type_, message), links in sorted(where.items())
    ]
    intro = "Every answer of 400 and above. The status and `error.code` are for programs, the message is for people."
    return element("section", element("h2", "Errors"), blocks(intro), _table(rows), id="errors")


def _errors(responses: Node) -> Iterator[tuple[str, str, str, str]]:
    """The status, code, type and message of every example of an error."""
    for status, response in responses.items():
        for content in response.get("content", {}).values():
            for _, value in _examples(content):
                if status >= "400" and "error" in value:
                    error = value["error"]
                    yield status, str(error["code"]), error["type"], error["message"]


def _objects(document: Node, operations: Iterable[_Operation]) -> dict[str, Node]:
    """The schemas with their own section: all objects except request bodies, which are shown with their operation."""
    bodies = {_request_schema(operation.body).get(NAME) for operation in operations}
    return {
        name: schema
        for name, schema in document["components"]["schemas"].items()
        if ("properties" in schema or "oneOf" in schema) and name not in bodies
    }


def _objects_section(document: Node, operations: Iterable[_Operation]) -> Html:
    return element(
        "section",
        element("h2", "Objects"),
        *(_object(name, schema) for name, schema in _objects(document, operations).items()),
        id="objects",
    )


def _object(name: str, schema: Node) -> Html:
    shapes = [element("li", _schema_link(each[NAME])) for each in schema.get("oneOf", ())]
    return element(
        "article",
        element("h3", name),
        blocks(schema.get("description", "")),
        element("ul", *shapes) if shapes else _table(list(_property_rows(schema))),
        id=_schema_anchor(name),
    )


def _schema_anchor(name: str) -> str:
    return f"object-{name}"


def _schema_link(name: str) -> Html:
    return element("a", name, href=f"#{_schema_anchor(name)}")


def _property_rows(schema: Node, prefix: str = "") -> Iterator[tuple[Cell, ...]]:
    required = schema.get("required", ())
    for name, each in schema.get("properties", {}).items():
        yield _row(prefix + name, each, required=name in required)
        inner, mark = (each["items"], "[].") if "items" in each else (each, ".")
        if NAME not in inner:
            yield from _property_rows(inner, prefix + name + mark)


def _row(name: str, schema: Node, *, required: bool, place: str = "") -> tuple[Cell, ...]:
    need = element("b", "required", class_="required") if required else element("i", "optional")
    example = [element("p", "Example: ", code(_value(schema["example"])))] if "example" in schema else []
    return (
        ("Name", joined((code(name), " ", need))),
        ("Type", joined((_type(schema), *([" in ", place] if place else [])))),
        ("Bounds", _bounds(schema)),
        ("Default", code(_value(schema["default"])) if "default" in schema else ""),
        ("Description", joined((blocks(schema.get("description", "")), *example))),
    )


def _type(schema: Node) -> Html:
    if "items" in schema:
        return joined(("array of ", _type(schema["items"])))
    if NAME in schema and "properties" in schema:
        return _schema_link(schema[NAME])
    types = schema.get("type", "any")
    return joined([types] if isinstance(types, str) else types, " or ")


def _bounds(schema: Node) -> Html:
    """A value's constraints, in words."""
    spans = (
        _span(schema.get("minimum"), schema.get("maximum"), ""),
        _span(schema.get("minLength"), schema.get("maxLength"), " characters"),
        _span(schema.get("minItems"), schema.get("maxItems"), " items"),
    )
    parts: list[str] = [span for span in spans if span]
    if "const" in schema:
        return joined(("always ", code(_value(schema["const"]))))
    if "enum" in schema:
        parts.append(joined(("one of ", joined((code(_value(each)) for each in schema["enum"]), ", "))))
    if len(schema.get("pattern", "")) in range(1, _PATTERN_CHARACTERS_MAX):
        parts.append(joined(("matching ", code(schema["pattern"]))))
    if "anyOf" in schema:
        parts.append(joined((_bounds(each) for each in schema["anyOf"]), ", or "))
    return joined(parts, "; ")


def _span(low: float | None, high: float | None, unit: str) -> str:
    if low is None:
        return "" if high is None else f"at most {high}{unit}"
    if high is None:
        return f"at least {low}{unit}"
    return f"{low} to {high}{unit}" if low != high else f"exactly {low}{unit}"


def _value(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _table(rows: Sequence[tuple[Cell, ...]]) -> Html:
    """A table. Each cell also has its column's name, which narrow screens show instead of the heading."""
    heading = element("tr", *(element("th", label, scope="col") for label, _ in rows[0]))
    lines = (element("tr", *(element("td", content, data_label=label) for label, content in row)) for row in rows)
    return element("table", element("thead", heading), element("tbody", *lines))
