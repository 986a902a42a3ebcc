"""Holds exchanges with a server against the published description of the Compute Engine API.

    check_exchanges.py DISCOVERY_DOCUMENT < exchanges.jsonl

An empty DISCOVERY_DOCUMENT stands for the one that google-api-python-client carries. An exchange is an object with
`method`, `path` (with the query), `request`, `status` and `response`, one a line; with status 0 it is a request alone. Prints
a JSON list of what is wrong, each problem once. No value of a request or response is in it that could be a secret. Ends with
0 if it could check, else with 2.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from schemas import FORMATS, Api, Json, Method, Use, Validator, limits

# https://cloud.google.com/apis/docs/system-parameters: each is known with "$" too, and clients made from protocol buffers
# send them so. `$apiVersion` is in no document.
API_VERSION = {"type": "string", "pattern": r"\d{4}-\d\d-\d\d"}

# https://cloud.google.com/apis/design/errors, with the list of the APIs that are older than that.
ERROR = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "errors"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "integer", "minimum": 400, "maximum": 599},
                "message": {"type": "string"},
                "status": {"type": "string", "pattern": r"\A[A-Z]+(_[A-Z]+)*\Z"},
                "errors": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["message", "domain", "reason"],
                        "additionalProperties": False,
                        "properties": {
                            "message": {"type": "string"},
                            "domain": {"type": "string"},
                            "reason": {"type": "string", "pattern": r"\A[A-Za-z]+\Z"},
                            "location": {"type": "string"},
                            "locationType": {"type": "string"},
                            "debugInfo": {"type": "string"},
                        },
                    },
                },
                "details": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["@type"],
                        "properties": {"@type": {"type": "string", "pattern": r"\Atype\.googleapis\.com/"}},
                    },
                },
            },
        }
    },
}
ERROR_VALIDATOR = Validator(ERROR, format_checker=FORMATS)

# The status of a request that something else has answered, or nothing: it alone is looked at.
NOT_ANSWERED = 0

TYPE_NAMES = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def place(root: str, steps: list[Any]) -> str:
    """Where in a body, for all elements and keys alike; `steps` is a path in a schema."""
    result = root
    names = iter(steps)
    for step in names:
        if step == "properties":
            result += f".{next(names)}"
        elif step == "items":
            result += "[]"
        elif step == "additionalProperties":
            result += ".*"
    return result


def say(error: Any) -> Iterator[str]:
    """What is wrong, without the value: it may be a secret. A word that an enumeration does not have is none."""
    kind, wanted, value = error.validator, error.validator_value, error.instance
    if kind == "additionalProperties":
        for name in value:
            if name not in error.schema.get("properties", {}):
                yield f"unknown field {name!r}"
    elif kind == "required":
        for name in wanted:
            if name not in value:
                yield f"lacks {name}"
    elif kind == "type":
        yield f"is of type {TYPE_NAMES[type(value)]}, not {wanted}"
    elif kind == "enum":
        yield f"{value!r} is none of its values"
    elif kind == "const":
        yield f"is not {wanted!r}"
    elif kind in ("format", "pattern"):
        yield f"is not of the {kind} {wanted}"
    elif kind in ("minimum", "maximum"):
        yield f"{value} is out of its range: {kind} {wanted}"
    elif kind == "minItems":
        yield "is empty"
    elif kind == "readOnly":
        yield "is for responses only"
    elif kind == "writeOnly":
        yield "is for requests only"
    else:
        yield f"is not valid: {kind}"


def check_body(root: str, validator: Any, body: Any) -> Iterator[str]:
    errors = list(validator.iter_errors(body))
    # What is of the wrong type is not of the right value either.
    mistyped = {tuple(error.absolute_path) for error in errors if error.validator == "type"}
    for error in errors:
        if error.validator == "type" or tuple(error.absolute_path) not in mistyped:
            where = place(root, list(error.absolute_schema_path)[:-1])
            yield from (f"{where}: {words}" for words in say(error))


def check_parameter(name: str, schema: Json, text: str) -> Iterator[str]:
    """A parameter is text on the wire, whatever its type."""
    value: Any = text
    if schema["type"] == "boolean":
        value = {"true": True, "false": False}.get(text, text)
    elif schema["type"] == "integer" and re.fullmatch(r"-?[0-9]+", text):
        value = int(text)
    elif schema["type"] == "number" and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        value = float(text)
    rules: Json = {"type": schema["type"]} | limits(schema)
    if "enum" in schema:
        rules["enum"] = schema["enum"]
    if "pattern" in schema:
        rules["pattern"] = rf"\A(?:{schema['pattern']})\Z"
    yield from check_body(f"parameter {name}", Validator(rules, format_checker=FORMATS), value)


def check_query(api: Api, method: Method, query: list[tuple[str, str]]) -> Iterator[str]:
    own = {name: schema for name, schema in method.parameters.items() if schema["location"] == "query"}
    given = [name for name, _ in query]
    for name, text in query:
        # Enumerations as numbers, which clients of newer APIs ask for.
        if name in ("alt", "$alt"):
            text = text.removesuffix(";enum-encoding=int")
        if name in own:
            yield from check_parameter(name, own[name], text)
        elif name == "$apiVersion":
            yield from check_parameter(name, API_VERSION, text)
        elif name in api.global_parameters or name.removeprefix("$") in api.global_parameters:
            schema = api.global_parameters.get(name) or api.global_parameters[name.removeprefix("$")]
            yield from check_parameter(name, schema, text)
        else:
            yield f"unknown query parameter {name}"
    for name in sorted(set(given)):
        if given.count(name) > 1 and not own.get(name, {}).get("repeated"):
            yield f"parameter {name}: is there more than once"
    for name, schema in own.items():
        if schema.get("required") and name not in given:
            yield f"lacks the query parameter {name}"


def check_request(api: Api, method: Method, body: Any, query: dict[str, str]) -> Iterator[str]:
    if method.request is None:
        # An empty object says as much as nothing.
        if body not in (None, {}):
            yield "request: has a body, and the method takes none"
    elif body is None:
        yield "request: lacks its body"
    else:
        from_template = "sourceInstanceTemplate" in query or "sourceMachineImage" in query
        use = Use(request_of=method.id, complete=not from_template)
        yield from check_body("request", api.validator(method.request, use), body)


def check_response(api: Api, method: Method, status: int, body: Any, query: dict[str, str]) -> Iterator[str]:
    if not 200 <= status < 300:
        yield from check_error(status, body)
    elif method.response is None:
        if body not in (None, {}):
            yield "response: has a body, and the method answers with none"
    elif body is None:
        yield "response: lacks its body"
    else:
        use = Use(complete="fields" not in query and "$fields" not in query)
        yield from check_body("response", api.validator(method.response, use), body)


def check_error(status: int, body: Any) -> Iterator[str]:
    if not 400 <= status < 600:
        yield f"response: its status is {status}"
        return
    problems = list(check_body("response", ERROR_VALIDATOR, body))
    yield from problems
    if not problems and body["error"]["code"] != status:
        yield f"response.error.code: is not the status {status}"


def check_exchange(api: Api, exchange: Json) -> Iterator[str]:
    parts = urlsplit(exchange["path"])
    method, values, path_is_known = api.find(exchange["method"], parts.path)
    if method is None:
        called = f"{exchange['method']} {parts.path}"
        yield f"{called}: unknown {'method' if path_is_known else 'path'}"
        # The error of a server is of one shape everywhere.
        if exchange["status"] >= 400:
            yield from (f"{called}: {problem}" for problem in check_error(exchange["status"], exchange["response"]))
        return
    query = parse_qsl(parts.query, keep_blank_values=True)
    problems: list[str] = []
    for name, text in zip(method.path_names, values, strict=True):
        problems += check_parameter(name, method.parameters[name], unquote(text))
    problems += check_query(api, method, query)
    problems += check_request(api, method, exchange["request"], dict(query))
    if exchange["status"] != NOT_ANSWERED:
        problems += check_response(api, method, exchange["status"], exchange["response"], dict(query))
    yield from (f"{method.id}: {problem}" for problem in problems)


def check_all(api: Api, lines: Iterator[str]) -> list[str]:
    found: dict[str, list[str]] = {}
    for number, line in enumerate(lines, start=1):
        exchange = json.loads(line)
        where = f"exchange {number}: {exchange['method']} {urlsplit(exchange['path']).path} -> {exchange['status']}"
        for problem in dict.fromkeys(check_exchange(api, exchange)):
            found.setdefault(problem, []).append(where)
    return [
        f"{problem} ({'once' if len(places) == 1 else f'{len(places)} times'}, {places[0]})"
        for problem, places in found.items()
    ]


def published_document() -> Path:
    import googleapiclient

    return Path(googleapiclient.__file__).parent / "discovery_cache/documents/compute.v1.json"


def main() -> int:
    try:
        path = Path(sys.argv[1]) if sys.argv[1:] and sys.argv[1] else published_document()
        problems = check_all(Api(json.loads(path.read_text())), sys.stdin)
    except (OSError, ImportError) as error:
        print(f"cannot check the exchanges: {error}", file=sys.stderr)
        return 2
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # Its class and place only: its words may quote an exchange.
        step = error.__traceback__
        while step and step.tb_next:
            step = step.tb_next
        line = step.tb_lineno if step else "?"
        print(f"cannot check the exchanges: {type(error).__name__} in line {line}", file=sys.stderr)
        return 2
    print(json.dumps(problems, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
