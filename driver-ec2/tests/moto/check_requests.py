"""Holds requests against botocore's published model of the EC2 API.

Reads form-encoded requests from standard input, one a line, and prints what is wrong with them, one problem a line:
unknown parameters, wrong types, values that an enumeration does not have, missing members. Ends with 0 in any case.
"""

import base64
import datetime
import re
import sys
from urllib.parse import parse_qsl

import botocore.session

MODEL = botocore.session.get_session().get_service_model("ec2")


def tree(pairs):
    """{"A.1.B": "x"} as {"A": {"1": {"B": "x"}}}."""
    root = {}
    for name, value in pairs:
        node = root
        *parents, leaf = name.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise ValueError(f"{name}: {parent} has a value of its own too")
        if leaf in node:
            raise ValueError(f"{name}: is there twice")
        node[leaf] = value
    return root


def wire_name(member_name, shape):
    """As botocore's own EC2 serializer names it."""
    serialization = shape.serialization
    if "queryName" in serialization:
        return serialization["queryName"]
    name = serialization.get("name", member_name)
    return name[0].upper() + name[1:]


def check(shape, value, path, problems):
    kind = shape.type_name
    if kind == "structure":
        check_structure(shape, value, path, problems)
    elif kind == "list":
        check_list(shape, value, path, problems)
    elif isinstance(value, dict):
        problems.append(f"{path}: has members, but is a {kind}")
    else:
        check_scalar(shape, kind, value, path, problems)


def check_structure(shape, value, path, problems):
    if not isinstance(value, dict):
        problems.append(f"{path}: is a value, not a structure {shape.name}")
        return
    members = {wire_name(name, member): (name, member) for name, member in shape.members.items()}
    for name, inner in value.items():
        where = f"{path}.{name}" if path else name
        if name in members:
            check(members[name][1], inner, where, problems)
        else:
            problems.append(f"{where}: unknown parameter of {shape.name}")
    for wire, (name, _) in members.items():
        if name in shape.required_members and wire not in value:
            problems.append(f"{path or shape.name}: lacks {wire}")


def check_list(shape, value, path, problems):
    if not isinstance(value, dict):
        problems.append(f"{path}: is a value, not a list")
        return
    if sorted(value) != sorted(str(n + 1) for n in range(len(value))):
        problems.append(f"{path}: is not numbered from 1 on: {', '.join(value)}")
        return
    for number, inner in value.items():
        check(shape.member, inner, f"{path}.{number}", problems)


def check_scalar(shape, kind, value, path, problems):
    metadata = shape.metadata
    if kind in ("integer", "long"):
        if not re.fullmatch(r"-?\d+", value):
            problems.append(f"{path}: {value!r} is not an integer")
        elif "min" in metadata and int(value) < metadata["min"] or "max" in metadata and int(value) > metadata["max"]:
            problems.append(f"{path}: {value} is out of range")
    elif kind in ("float", "double"):
        if not re.fullmatch(r"-?\d+(\.\d+)?([eE][-+]?\d+)?", value):
            problems.append(f"{path}: {value!r} is not a number")
    elif kind == "boolean":
        if value not in ("true", "false"):
            problems.append(f"{path}: {value!r} is not a boolean")
    elif kind == "timestamp":
        try:
            datetime.datetime.fromisoformat(value)
        except ValueError:
            problems.append(f"{path}: {value!r} is not a time")
    elif kind == "blob":
        try:
            base64.b64decode(value, validate=True)
        except ValueError:
            problems.append(f"{path}: is not base64")
    elif kind == "string":
        enum = getattr(shape, "enum", None)
        if enum and value not in enum:
            problems.append(f"{path}: {value!r} is not a {shape.name}")
        if "min" in metadata and len(value) < metadata["min"] or "max" in metadata and len(value) > metadata["max"]:
            problems.append(f"{path}: has {len(value)} characters")
        if "pattern" in metadata and not re.search(metadata["pattern"], value):
            problems.append(f"{path}: {value!r} is not of the form {metadata['pattern']}")
    else:
        problems.append(f"{path}: a {kind} is not checked")


def problems_of(line):
    pairs = parse_qsl(line, keep_blank_values=True, strict_parsing=True)
    fixed = dict(pairs)
    action, version = fixed.get("Action"), fixed.get("Version")
    if action not in MODEL.operation_names:
        return [f"there is no action {action!r}"]
    problems = []
    if version != MODEL.api_version:
        problems.append(f"Version: {version!r} is not {MODEL.api_version}")
    try:
        parameters = tree(pair for pair in pairs if pair[0] not in ("Action", "Version"))
    except ValueError as error:
        return problems + [str(error)]
    shape = MODEL.operation_model(action).input_shape
    check(shape, parameters, "", problems)
    return [f"{action}: {problem}" for problem in problems]


def main():
    found = set()
    for line in sys.stdin:
        found.update(problems_of(line.rstrip("\n")))
    for problem in sorted(found):
        print(problem)


main()
