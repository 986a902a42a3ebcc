"""What the provider's own client can ask for, and what it expects: read from its sources.

The client is written by a generator, one function with the URL and one method with the statuses and the types for each
operation, all of the same form. That form is no interface: the packages are pinned, and `read` says when it finds too little.
"""

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

Json = dict[str, Any]

# The package of each API: which of its operations are looked for, and at least how many there are.
PACKAGES = {
    "azure.mgmt.compute.v2024_07_01": ("", 150),
    "azure.mgmt.compute.v2024_03_02": ("disks_", 8),
    # It has all other operations too, in versions that have newer ones.
    "azure.mgmt.compute.v2021_07_01": ("resource_skus_", 1),
    "azure.mgmt.network": ("", 600),
}


@dataclass
class Operation:
    # That of the client, such as "virtual_machines_create_or_update".
    name: str
    http_method: str
    template: str
    api_version: str
    query: set[str]
    statuses: list[int]
    # The names of its models; a response may have none.
    request: str | None
    response: str | None
    # It goes on after it was accepted.
    is_long: bool
    package: str

    def __post_init__(self) -> None:
        parts = re.split(r"\{[^}]+\}", self.template)
        self.literal = sum(len(part) for part in parts)
        # Resource Manager does not tell upper and lower case apart in a path.
        self.pattern = re.compile("([^/]+)".join(re.escape(part) for part in parts), re.IGNORECASE)

    @property
    def resource_type(self) -> str | None:
        """That of what it is about, if the path ends with it, or with a name of it."""
        found = re.search(r"/providers/(Microsoft\.\w+)/((?:\w+/\{\w+\}/)*\w+)(?:/\{\w+\})?\Z", self.template)
        return f"{found[1]}/{re.sub(r'/{[^}]+}', '', found[2])}" if found else None

    @property
    def models(self) -> Any:
        return importlib.import_module(f"{self.package}.models")


def first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text)
    return found[1] if found else None


def read_urls(text: str, package: str) -> Iterator[Operation]:
    for part in re.split(r"^(?=def )", text, flags=re.MULTILINE):
        name = first(r"\Adef build_(\w+)_request\(", part)
        method, template = first(r'HttpRequest\(\s*method="([A-Z]+)"', part), first(r'"(/[^"]*)"', part)
        version = first(r'"api[-_]version"[^"\n]*"(\d{4}-\d\d-\d\d[^"]*)"', part)
        if name and method and template and version:
            query = set(re.findall(r'_params\["([^"]+)"\] =', part))
            yield Operation(name, method, template, version, query, [], None, None, False, package)


def add_types(text: str, operations: dict[str, Operation]) -> None:
    """The statuses and types, from the methods of a class."""
    begins: dict[str, Operation] = {}
    for part in re.split(r"^    (?=def )", text, flags=re.MULTILINE):
        method = first(r"\Adef (\w+)\(", part) or ""
        name = first(r"\bbuild_(\w+)_request\(", part)
        operation = operations.get(name or "") or begins.get(method)
        if operation is None:
            continue
        if name:
            statuses = first(r"status_code not in \[([\d, ]+)\]", part) or ""
            operation.statuses = [int(status) for status in statuses.split(",")]
            operation.request = first(r'_serialize\.body\(\w+, "([^"]+)"\)', part)
            if method.endswith("_initial"):
                operation.is_long = True
                # Its last response is read by the method that the caller sees.
                begins["begin" + method.removesuffix("_initial")] = operation
        operation.response = first(r'_deserialize\(\s*"([^"]+)"', part)


def read(package: str) -> list[Operation]:
    module = importlib.import_module(package)
    text = (Path(str(module.__file__)).parent / "operations/_operations.py").read_text()
    functions, *classes = re.split(r"^(?=class \w+Operations\b)", text, flags=re.MULTILINE)
    operations = {operation.name: operation for operation in read_urls(functions, package)}
    for part in classes:
        add_types(part, operations)
    prefix, least = PACKAGES[package]
    complete = [found for found in operations.values() if found.statuses and found.name.startswith(prefix)]
    if len(complete) < least:
        raise LookupError(f"{package} is not of the form that is known: it has {len(complete)} operations")
    return complete


class Client:
    def __init__(self) -> None:
        self.operations = [operation for package in PACKAGES for operation in read(package)]

    def find(self, http_method: str, path: str) -> tuple[Operation | None, bool]:
        """The operation of a path, and whether the path is there with any HTTP method."""
        known = False
        best: Operation | None = None
        for operation in self.operations:
            if operation.pattern.fullmatch(unquote(path)):
                known = True
                if operation.http_method == http_method and (best is None or operation.literal > best.literal):
                    best = operation
        return best, known
