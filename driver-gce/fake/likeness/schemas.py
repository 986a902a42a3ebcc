"""The discovery document's methods, and its schemas as JSON Schema (draft 2020-12).

A discovery document is written in an old draft of JSON Schema with formats of its own:
https://developers.google.com/discovery/v1/type-format
"""

import base64
import binascii
import datetime
import json
import re
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

Json = dict[str, Any]

INTEGERS = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    # In JSON these two are strings.
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}
FORMATS = FormatChecker(formats=())


def is_decimal(value: str, integer_format: str) -> bool:
    low, high = INTEGERS[integer_format]
    return bool(re.fullmatch(r"0|-?[1-9][0-9]*", value)) and low <= int(value) <= high


@FORMATS.checks("int64")
def is_int64(value: object) -> bool:
    return not isinstance(value, str) or is_decimal(value, "int64")


@FORMATS.checks("uint64")
def is_uint64(value: object) -> bool:
    return not isinstance(value, str) or is_decimal(value, "uint64")


@FORMATS.checks("byte")
def is_base64(value: object) -> bool:
    if not isinstance(value, str):
        return True
    try:
        # Both alphabets are about: fingerprints come with "_" and "-".
        base64.b64decode(value.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        return False
    return True


@FORMATS.checks("date-time")
def is_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    parts = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", value)
    if parts is None:
        return False
    try:
        datetime.datetime.fromisoformat(parts[1])
    except ValueError:
        return False
    return True


@FORMATS.checks("google-duration")
def is_duration(value: object) -> bool:
    return not isinstance(value, str) or bool(re.fullmatch(r"-?\d+(\.\d{1,9})?s", value))


def is_there(_validator: object, forbidden: bool, _value: object, _schema: Json) -> Any:
    """The keywords are only remarks in JSON Schema; here each is in a schema only where it forbids the property."""
    if forbidden:
        yield ValidationError("is there")


Validator = extend(Draft202012Validator, {"readOnly": is_there, "writeOnly": is_there})


@dataclass(frozen=True)
class Use:
    """What a schema is to describe; the same one differs from use to use."""

    # A request to this method, else a response.
    request_of: str | None = None
    # All that is promised is there; not so in a part that was asked for with `fields`, or in a request that takes the
    # rest from a template.
    complete: bool = True


@dataclass
class Method:
    id: str
    http_method: str
    template: str
    parameters: dict[str, Json]
    request: str | None
    response: str | None
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        # The names of groups in Python are of fewer characters than those of parameters: told apart by their order.
        parts = re.split(r"\{\+?([^}]+)\}", self.template)
        self.path_names = parts[1::2]
        self.literal = sum(len(part) for part in parts[0::2])
        self.pattern = re.compile("([^/]+)".join(re.escape(part) for part in parts[0::2]))


class Api:
    """A discovery document."""

    def __init__(self, document: Json) -> None:
        self.schemas: Json = document["schemas"]
        self.service_path = "/" + document["servicePath"]
        self.global_parameters: Json = document["parameters"]
        self.methods = list(methods_of(document))
        self.validators: dict[tuple[str, Use], Any] = {}

    def find(self, http_method: str, path: str) -> tuple[Method | None, list[str], bool]:
        """The method of a path, what its parameters are, and whether the path is there with any HTTP method."""
        known = False
        found: tuple[Method | None, list[str]] = (None, [])
        if path.startswith(self.service_path):
            for method in self.methods:
                match = method.pattern.fullmatch(path.removeprefix(self.service_path))
                known = known or match is not None
                # The most literal wins: `instances/bulkInsert` is no `instances/{instance}`.
                if match and method.http_method == http_method and (not found[0] or method.literal > found[0].literal):
                    found = (method, list(match.groups()))
        return (*found, known)

    def validator(self, schema: str, use: Use) -> Any:
        if (schema, use) not in self.validators:
            # Only what it reaches: all of the 1,000 would be converted for each use.
            reached: Json = {}
            wanted = [schema]
            while wanted:
                name = wanted.pop()
                if name not in reached:
                    reached[name] = convert(self.schemas[name], use)
                    wanted.extend(references(self.schemas[name]))
            whole = {"$ref": f"#/$defs/{schema}", "$defs": reached}
            Validator.check_schema(whole)
            self.validators[schema, use] = Validator(whole, format_checker=FORMATS)
        return self.validators[schema, use]


def methods_of(part: Json) -> Any:
    for method in part.get("methods", {}).values():
        yield Method(
            id=method["id"],
            http_method=method["httpMethod"],
            template=method.get("flatPath", method["path"]),
            parameters=method.get("parameters", {}),
            request=method.get("request", {}).get("$ref"),
            response=method.get("response", {}).get("$ref"),
        )
    for resource in part.get("resources", {}).values():
        yield from methods_of(resource)


def references(schema: Json) -> Any:
    if "$ref" in schema:
        yield schema["$ref"]
    inner = list(schema.get("properties", {}).values())
    inner += [schema[key] for key in ("items", "additionalProperties") if key in schema]
    for part in inner:
        yield from references(part)


def convert(schema: Json, use: Use, name: str = "") -> Json:
    """A schema of the document in JSON Schema; `name` is that of the property that it is of."""
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{schema['$ref']}"} | forbidden(schema, use, name)
    result = forbidden(schema, use, name)
    if schema.get("type", "any") != "any":
        result["type"] = schema["type"]
    if "enum" in schema:
        result["enum"] = schema["enum"]
    if "pattern" in schema:
        # The service matches the whole, whatever the document's patterns say.
        result["pattern"] = rf"\A(?:{schema['pattern']})\Z"
    result |= limits(schema)
    if name == "kind" and "default" in schema:
        result["const"] = schema["default"]
    if "items" in schema:
        result["items"] = convert(schema["items"], use)
    if "properties" in schema:
        properties = schema["properties"]
        result["properties"] = {key: convert(value, use, key) for key, value in properties.items()}
        result["required"] = [key for key, value in properties.items() if is_required(key, value, use)]
        result["additionalProperties"] = False
    if "additionalProperties" in schema:
        result["additionalProperties"] = convert(schema["additionalProperties"], use)
    return result


def limits(schema: Json) -> Json:
    """The range or the format of a scalar, from its format and, where it has none, from its words."""
    result: Json = {}
    said = schema.get("format")
    if schema.get("type") == "integer" and said in INTEGERS:
        result["minimum"], result["maximum"] = INTEGERS[said]
    elif said == "google-datetime":
        result["format"] = "date-time"
    elif said:
        result["format"] = said
    elif schema.get("type") == "string" and "RFC3339" in schema.get("description", ""):
        result["format"] = "date-time"
    for key in ("minimum", "maximum"):
        # They are strings in the document.
        if key in schema:
            result[key] = json.loads(schema[key])
    words = re.search(r"Acceptable values are\s+`?0`? to\s+`?([0-9]+)`?, inclusive", schema.get("description", ""))
    if words and schema.get("type") == "integer":
        result["maximum"] = int(words[1])
    return result


def forbidden(schema: Json, use: Use, name: str) -> Json:
    said = schema.get("description", "")
    if use.request_of is None:
        return {"writeOnly": True} if said.startswith("[Input Only]") else {}
    outgoing = schema.get("readOnly") or said.startswith(("Output only.", "[Output Only]"))
    # `kind` is sent back by whoever changes what they got.
    return {"readOnly": True} if outgoing and name != "kind" else {}


def is_required(name: str, schema: Json, use: Use) -> bool:
    if not use.complete:
        return False
    if use.request_of:
        return use.request_of in schema.get("annotations", {}).get("required", [])
    # "Type of the resource. Always compute#instance for instances."
    return name == "kind" and "Always" in schema.get("description", "") and "default" in schema
