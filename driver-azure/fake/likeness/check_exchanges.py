"""Holds exchanges with a server against what is published about Azure Resource Manager.

    check_exchanges.py [SPECS_FOLDER] < exchanges.jsonl

Always against the models of the provider's own client for Python; with SPECS_FOLDER also against the types of Bicep
(`*.bicep-types.json`) and the schemas of templates (`*.schema.json`) there.

An exchange is an object with `method`, `path` (with the query), `request`, `status` and `response`, one a line; with
status 0 it is a request alone. Prints a JSON object: `against`, what it has compared with, and `problems`, a list of what is
wrong, each problem once. No value of a request or response is in it that could be a secret. Ends with 0 if it could check,
else with 2.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import others
from operations import Client, Operation
from schemas import Json, Published, Use, of_model

# The status of a request that something else has answered, or nothing: it alone is looked at.
NOT_ANSWERED = 0
VERSION = r"\d{4}-\d\d-\d\d(-preview)?"
# What a server puts into the link to the next page.
PAGE = ("$skiptoken", "$skip")
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
    elif kind in ("format", "pattern"):
        yield f"is not of the {kind} {wanted}"
    elif kind in ("minimum", "maximum"):
        yield f"{value} is out of its range: {kind} {wanted}"
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


def check_query(query: list[tuple[str, str]], known: set[str], versions: str | None) -> Iterator[str]:
    given = [name for name, _ in query]
    for name in sorted(set(given)):
        # As in a path, upper and lower case are the same here.
        if name.lower() not in {other.lower() for other in known} | {"api-version", *PAGE}:
            yield f"unknown query parameter {name}"
        if given.count(name) > 1:
            yield f"parameter {name}: is there more than once"
    found = {name.lower(): value for name, value in query}.get("api-version")
    if found is None:
        yield "lacks the query parameter api-version"
    elif not re.fullmatch(VERSION, found):
        yield "parameter api-version: is no version"
    elif versions and found != versions:
        yield f"parameter api-version: {found} is not the one that is described, {versions}"


def check_error(status: int, body: Any, schema: Json = others.ERROR) -> Iterator[str]:
    if not 400 <= status < 600:
        yield f"response: its status is {status}"
    else:
        yield from check_body("response", others.validator(schema), body)


class Checker:
    def __init__(self, folder: Path | None) -> None:
        self.client = Client()
        self.published = Published(folder) if folder else None
        self.validators: dict[Any, Any] = {}
        self.against = ["the models of the provider's client"]
        if self.published:
            self.against += ["the types of Bicep", "the schemas of templates"]

    def model(self, operation: Operation, kind: str, use: Use) -> Any:
        key = (operation.package, kind, use)
        if key not in self.validators:
            self.validators[key] = of_model(operation.models, kind, use)
        return self.validators[key]

    def published_body(self, operation: Operation, use: Use) -> Any | None:
        name = f"{operation.resource_type}@{operation.api_version}"
        if (name, use) not in self.validators:
            self.validators[name, use] = self.published and self.published.body(name, use)
        return self.validators[name, use]

    def check_request(self, operation: Operation, body: Any, path: str) -> Iterator[str]:
        if operation.request is None:
            # An empty object says as much as nothing.
            if body not in (None, {}):
                yield "request: has a body, and the operation takes none"
            return
        if body is None:
            # A POST may do without.
            if operation.http_method != "POST":
                yield "request: lacks its body"
            return
        use = Use(is_request=True, complete=operation.http_method != "PATCH")
        yield from check_body("request", self.model(operation, operation.request, use), body)
        if operation.http_method in ("PUT", "PATCH"):
            validator = self.published_body(operation, use)
            if validator is not None:
                yield from check_body("request", validator, body)
        if operation.http_method == "PUT" and isinstance(body, dict) and self.published:
            name = f"{operation.resource_type}@{operation.api_version}"
            if name not in self.validators:
                self.validators[name] = self.published.template(name)
            if self.validators[name] is not None:
                # What is in the URL of a request is in the resource of a template.
                in_url = {"type": operation.resource_type, "apiVersion": operation.api_version}
                # Its child resources have names of several steps.
                depth = str(operation.resource_type).count("/")
                names = unquote(path).split("/")[::-2][:depth]
                in_url["name"] = "/".join(reversed(names))
                yield from check_body("request", self.validators[name], body | in_url)

    def check_response(self, operation: Operation, status: int, body: Any, path: str, query: Json) -> Iterator[str]:
        if status >= 400:
            yield from check_error(status, body)
            return
        if status not in operation.statuses:
            yield f"response: its status is {status}, not one of {operation.statuses}"
            return
        if operation.response is None or (operation.is_long and status == 202 and body is None):
            if body not in (None, {}):
                yield "response: has a body, and the operation answers with none"
            return
        if body is None:
            yield "response: lacks its body"
            return
        use = Use(is_request=False)
        model = self.model(operation, operation.response, use)
        yield from check_body("response", model, body)
        is_list = path.lower().endswith(operation.template.lower().rpartition("/")[2])
        items = body.get("value", []) if is_list and isinstance(body, dict) else [body]
        validator = self.published_body(operation, use)
        for item in items if isinstance(items, list) else []:
            where = "response.value[]" if is_list else "response"
            if validator is not None:
                yield from check_body(where, validator, item)
            if isinstance(item, dict):
                yield from check_resource(where, operation, item, None if is_list else path, query)

    def check_exchange(self, exchange: Json) -> Iterator[str]:
        parts = urlsplit(exchange["path"])
        query = parse_qsl(parts.query, keep_blank_values=True)
        status, request, response = exchange["status"], exchange["request"], exchange["response"]
        operation, path_is_known = self.client.find(exchange["method"], parts.path)
        other, other_is_known = others.find(exchange["method"], parts.path)
        problems: list[str] = []
        if operation:
            name = operation.name
            problems += check_query(query, operation.query, operation.api_version)
            problems += self.check_request(operation, request, parts.path)
            if status != NOT_ANSWERED:
                lower = {key.lower(): value for key, value in query}
                problems += self.check_response(operation, status, response, parts.path, lower)
        elif other:
            name = other.name
            problems += check_other(other, query, request, status, response)
        else:
            name = f"{exchange['method']} {parts.path}"
            problems.append(f"unknown {'method' if path_is_known or other_is_known else 'path'}")
            # The error of a server is of one shape everywhere.
            if status >= 400:
                problems += check_error(status, response)
        # What two sources say is said once.
        yield from dict.fromkeys(f"{name}: {problem}" for problem in problems)


def check_resource(where: str, operation: Operation, item: Json, path: str | None, query: Json) -> Iterator[str]:
    """What no type says: a resource is what and where its id says, and shows some things only when asked."""
    kind = operation.resource_type or ""
    if operation.response not in ("VirtualMachine", "VirtualMachineListResult") + TOP_LEVEL:
        return
    for name in ("id", "name", "type", "location"):
        if name not in item:
            yield f"{where}: lacks {name}"
    if isinstance(item.get("type"), str) and item["type"] != kind and "/locations/" not in operation.template:
        yield f"{where}.type: is not {kind}"
    identity = str(item.get("id", ""))
    if "id" in item and not re.fullmatch(ID, identity):
        yield f"{where}.id: is no id"
    elif path and "id" in item and identity.lower() != unquote(path).lower():
        yield f"{where}.id: is not the path"
    if "id" in item and "name" in item and identity.rpartition("/")[2] != item["name"]:
        yield f"{where}.name: is not the end of the id"
    properties = item.get("properties")
    if isinstance(properties, dict):
        if "provisioningState" not in properties:
            yield f"{where}.properties: lacks provisioningState"
        expanded = query.get("$expand", "").lower()
        if kind.endswith("/virtualMachines"):
            if "instanceView" in properties and expanded != "instanceview" and query.get("statusonly") != "true":
                yield f"{where}.properties.instanceView: was not asked for"
            if "userData" in properties and expanded != "userdata":
                yield f"{where}.properties.userData: was not asked for"


TOP_LEVEL = ("NetworkInterface", "NetworkInterfaceListResult", "Disk", "DiskList")
ID = r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.\w+(/\w+/[^/]+)+"


def check_other(other: others.Other, query: list[tuple[str, str]], request: Any, status: int, body: Any) -> Iterator[str]:
    # The sign-in service has no versions.
    if other.http_method != "POST":
        yield from check_query(query, other.query, None)
    # A form is no JSON.
    if other.http_method == "GET" and request not in (None, {}):
        yield "request: has a body, and the operation takes none"
    if status == NOT_ANSWERED:
        return
    if status >= 400:
        yield from check_error(status, body, others.SIGN_IN_ERROR if other.is_sign_in else others.ERROR)
    elif other.is_status and "monitor" in dict(query):
        # What the call would have answered itself, whichever that was.
        if status not in (200, 201, 202, 204):
            yield f"response: its status is {status}"
    elif status not in other.statuses:
        yield f"response: its status is {status}, not one of {other.statuses}"
    elif other.response and body is None:
        yield "response: lacks its body"
    elif other.response:
        yield from check_body("response", others.validator(other.response), body)
        if other.is_status and isinstance(body, dict):
            if ("error" in body) != (body.get("status") in others.FAILS):
                yield f"response.error: is there or not, and the status is {body.get('status')}"
            if "startTime" in body and ("endTime" in body) == (body.get("status") in others.RUNS):
                yield f"response.endTime: is there or not, and the status is {body.get('status')}"


def check_all(checker: Checker, lines: Iterator[str]) -> list[str]:
    found: dict[str, list[str]] = {}
    for number, line in enumerate(lines, start=1):
        exchange = json.loads(line)
        where = f"exchange {number}: {exchange['method']} {urlsplit(exchange['path']).path} -> {exchange['status']}"
        for problem in checker.check_exchange(exchange):
            found.setdefault(problem, []).append(where)
    return [
        f"{problem} ({'once' if len(places) == 1 else f'{len(places)} times'}, {places[0]})"
        for problem, places in found.items()
    ]


def main() -> int:
    try:
        checker = Checker(Path(sys.argv[1]) if sys.argv[1:] and sys.argv[1] else None)
        problems = check_all(checker, sys.stdin)
    except (OSError, ImportError, LookupError, ValueError, TypeError, AttributeError) as error:
        # The words of other errors may quote an exchange: only their class and place.
        words = str(error) if isinstance(error, OSError | ImportError) or type(error) is LookupError else ""
        step = error.__traceback__
        while step and step.tb_next:
            step = step.tb_next
        at = f"{Path(step.tb_frame.f_code.co_filename).name}:{step.tb_lineno}" if step else "?"
        print(f"cannot check the exchanges: {words or f'{type(error).__name__} at {at}'}", file=sys.stderr)
        return 2
    print(json.dumps({"against": checker.against, "problems": problems}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
