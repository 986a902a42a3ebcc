"""What the provider publishes about bodies, as JSON Schema (draft 2020-12): one validator does for all of it.

There are three sources: the classes of its client for Python, the types of the template language Bicep, and the JSON Schemas
of templates. The first alone comes with this package; the others are files that the caller has.
"""

import datetime
import enum
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

Json = dict[str, Any]

FORMATS = FormatChecker(formats=())

# Never in a response, which only the words of the documentation say.
WRITE_ONLY = ("adminPassword", "customData", "protectedSettings")

# Their own documentation says that the sizes of machines are not to be taken from them: they have none of the last years.
OUTDATED_ENUMS = ("VirtualMachineSizeTypes",)
OUTDATED_PROPERTIES = ("vmSize",)

SCALARS: dict[str, Json] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "long": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "iso-8601": {"type": "string", "format": "date-time"},
    "duration": {"type": "string", "format": "duration"},
    "object": {},
}


@FORMATS.checks("date-time")
def is_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    parts = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,7})?(?:Z|[+-]\d\d:\d\d)", value)
    if parts is None:
        return False
    try:
        datetime.datetime.fromisoformat(parts[1])
    except ValueError:
        return False
    return True


@FORMATS.checks("duration")
def is_duration(value: object) -> bool:
    pattern = r"P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?"
    return not isinstance(value, str) or bool(re.fullmatch(pattern, value))


def is_there(_validator: object, forbidden: bool, _value: object, _schema: Json) -> Any:
    """The keywords are only remarks in JSON Schema; here each is in a schema only where it forbids the property."""
    if forbidden:
        yield ValidationError("is there")


Validator = extend(Draft202012Validator, {"readOnly": is_there, "writeOnly": is_there})


@dataclass(frozen=True)
class Use:
    """What a schema is to describe; the same one differs from use to use."""

    is_request: bool
    # All that is required is there; not so in a change.
    complete: bool = True


def finish(root: Json, definitions: Json, use: Use) -> Any:
    for definition in definitions.values():
        for name in WRITE_ONLY:
            if not use.is_request and name in definition.get("properties", {}):
                definition["properties"][name] = {"writeOnly": True}
    whole = root | {"$defs": definitions}
    Validator.check_schema(whole)
    return Validator(whole, format_checker=FORMATS)


# The classes of the client.


def of_model(models: Any, kind: str, use: Use) -> Any:
    """`kind` is as the client writes it: `[VirtualMachine]` is a list of them."""
    definitions: Json = {}
    root = model_type(models, kind, None, use, definitions)
    return finish(root, definitions, use)


def model_type(models: Any, kind: str, values: Any, use: Use, definitions: Json) -> Json:
    if kind.startswith("["):
        return {"type": "array", "items": model_type(models, kind[1:-1], values, use, definitions)}
    if kind.startswith("{"):
        inner = model_type(models, kind[1:-1], values, use, definitions)
        return {"type": "object", "additionalProperties": inner}
    if values is not None:
        return {"type": "string", "enum": values}
    if kind in SCALARS:
        return dict(SCALARS[kind])
    model = getattr(models, kind)
    if issubclass(model, enum.Enum):
        return {"type": "string", "enum": [value.value for value in model]}
    if kind not in definitions:
        definitions[kind] = {}
        definitions[kind] = model_class(models, model, use, definitions)
    return {"$ref": f"#/$defs/{kind}"}


def model_class(models: Any, model: Any, use: Use, definitions: Json) -> Json:
    if getattr(model, "_subtype_map", None):
        # Which one it is depends on a value: nothing that is asked for here has such a part.
        return {"type": "object"}
    result: Json = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    for attribute, how in model._attribute_map.items():
        rules = model._validation.get(attribute, {})
        if how["key"] == "":
            result["additionalProperties"] = model_type(models, how["type"], None, use, definitions)["additionalProperties"]
            continue
        # Some attributes are flattened: in JSON they are in an object, most often `properties`.
        *steps, name = (part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", how["key"]))
        place = result
        is_required = use.complete and bool(rules.get("required"))
        for step in steps:
            inner = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
            require(place, step, is_required)
            place = place["properties"].setdefault(step, inner)
        if use.is_request and rules.get("readonly"):
            place["properties"][name] = {"readOnly": True}
            continue
        require(place, name, is_required)
        values = known_values(models, model, attribute)
        place["properties"][name] = model_type(models, how["type"], values, use, definitions) | limits(rules)
    return result


def require(place: Json, name: str, is_required: bool) -> None:
    if is_required and name not in place["required"]:
        place["required"].append(name)


def limits(rules: Json) -> Json:
    names = {"minimum": "minimum", "maximum": "maximum", "max_length": "maxLength", "min_length": "minLength"}
    names |= {"min_items": "minItems", "max_items": "maxItems", "pattern": "pattern"}
    return {names[rule]: value for rule, value in rules.items() if rule in names}


def known_values(models: Any, model: Any, attribute: str) -> list[str] | None:
    """Those of an enumeration, which are only in the documentation of the class: an attribute is a string to the client."""
    text = re.search(rf":vartype {attribute}:(.*?)(?=\n\s*:|\Z)", model.__doc__ or "", re.DOTALL)
    for name in re.findall(r"\.models\.(\w+)", text[1] if text else ""):
        found = getattr(models, name, None)
        if isinstance(found, type) and issubclass(found, enum.Enum) and name not in OUTDATED_ENUMS:
            return [value.value for value in found]
    return None


# The types of Bicep.

# Flags of a property.
REQUIRED, READ_ONLY, WRITE_ONLY_FLAG, KNOWN_AT_START = 1, 2, 4, 8


class Published:
    """The files of a folder."""

    def __init__(self, folder: Path) -> None:
        self.bodies: dict[str, tuple[list[Json], Json]] = {}
        self.templates: dict[str, tuple[Json, Json]] = {}
        for path in sorted(folder.glob("*.bicep-types.json")):
            types = json.loads(path.read_text())
            for kind in types:
                if kind["$type"] == "ResourceType":
                    self.bodies[kind["name"].lower()] = (types, kind["body"])
        for path in sorted(folder.glob("*.schema.json")):
            document = json.loads(path.read_text())
            for schema in document["resourceDefinitions"].values():
                kind = schema["properties"]["type"]["enum"][0]
                version = schema["properties"]["apiVersion"]["enum"][0]
                self.templates[f"{kind}@{version}".lower()] = (document, schema)
        if not self.bodies or not self.templates:
            raise LookupError(f"{folder} has no *.bicep-types.json or no *.schema.json")

    def body(self, name: str, use: Use) -> Any | None:
        """What is in a body of `TYPE@VERSION`, if that is known."""
        if name.lower() not in self.bodies:
            return None
        types, reference = self.bodies[name.lower()]
        definitions: Json = {}
        root = bicep_type(types, reference, use, definitions)
        # A template says by these two what a URL says, so that no body needs any of it.
        whole = definitions[root["$ref"].removeprefix("#/$defs/")]
        del whole["properties"]["apiVersion"]
        whole["required"] = [name for name in whole["required"] if name not in ("id", "name", "type")]
        return finish(root, definitions, use)

    def template(self, name: str) -> Any | None:
        """What is in a template's resource, if that is known."""
        if name.lower() not in self.templates:
            return None
        document, schema = self.templates[name.lower()]
        definitions: Json = {}
        root = template_type(document, schema, definitions)
        return finish(root, definitions, Use(is_request=True))


def bicep_type(types: list[Json], reference: Json, use: Use, definitions: Json) -> Json:
    number = reference["$ref"].removeprefix("#/")
    kind = types[int(number)]
    match kind["$type"]:
        case "ObjectType":
            if number not in definitions:
                definitions[number] = {}
                definitions[number] |= bicep_object(types, kind, use, definitions)
            return {"$ref": f"#/$defs/{number}"}
        case "ArrayType":
            return {"type": "array", "items": bicep_type(types, kind["itemType"], use, definitions)}
        case "UnionType":
            values = [types[int(element["$ref"].removeprefix("#/"))] for element in kind["elements"]]
            if all(value["$type"] == "StringLiteralType" for value in values):
                return {"type": "string", "enum": [value["value"] for value in values]}
            # Any string: the literals are only those that are known.
            return {"type": "string"}
        case "StringLiteralType":
            return {"type": "string", "enum": [kind["value"]]}
        case "StringType":
            return {"type": "string"}
        case "BooleanType":
            return {"type": "boolean"}
        case "IntegerType":
            # There is no other number in Bicep.
            limits = {"minimum": kind.get("minValue"), "maximum": kind.get("maxValue")}
            return {"type": "number"} | {name: value for name, value in limits.items() if value is not None}
        case "AnyType":
            return {}
        case "DiscriminatedObjectType":
            return {"type": "object"}
    raise LookupError(f"the type {kind['$type']} of Bicep is not known")


def bicep_object(types: list[Json], kind: Json, use: Use, definitions: Json) -> Json:
    result: Json = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    if "additionalProperties" in kind:
        result["additionalProperties"] = bicep_type(types, kind["additionalProperties"], use, definitions)
    for name, how in kind["properties"].items():
        flags = how["flags"]
        if use.is_request and flags & READ_ONLY:
            result["properties"][name] = {"readOnly": True}
            continue
        if not use.is_request and flags & WRITE_ONLY_FLAG:
            result["properties"][name] = {"writeOnly": True}
            continue
        result["properties"][name] = bicep_type(types, how["type"], use, definitions)
        require(result, name, use.complete and bool(flags & REQUIRED))
    return result


# The schemas of templates.


def template_type(document: Json, schema: Json, definitions: Json) -> Json:
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/definitions/")
        if name not in definitions:
            definitions[name] = {}
            definitions[name] |= template_type(document, document["definitions"][name], definitions)
        return {"$ref": f"#/$defs/{name}"}
    result = dict(schema)
    if "oneOf" in schema:
        # The references out of the document are to expressions, which only a template has.
        own = [part for part in schema["oneOf"] if part.get("$ref", "#").startswith("#")]
        if len(own) == 1:
            return template_type(document, own[0], definitions)
        result["oneOf"] = [template_type(document, part, definitions) for part in own]
    if "items" in schema:
        result["items"] = template_type(document, schema["items"], definitions)
    if schema.get("properties"):
        result["properties"] = {
            name: template_type(document, part, definitions) for name, part in schema["properties"].items()
        }
        for name in OUTDATED_PROPERTIES:
            result["properties"].get(name, {}).pop("enum", None)
        result.setdefault("additionalProperties", False)
    if isinstance(schema.get("additionalProperties"), dict):
        result["additionalProperties"] = template_type(document, schema["additionalProperties"], definitions)
    return result
