"""What is asked of Resource Manager and of the sign-in service besides the operations of the provider's client, as JSON Schema
(draft 2020-12), written by hand from the documentation."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from schemas import FORMATS, Validator

Json = dict[str, Any]


def closed(required: Json, optional: Json | None = None) -> Json:
    """An object with these properties and no others."""
    properties = required | (optional or {})
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


STRING: Json = {"type": "string"}
INTEGER: Json = {"type": "integer"}
TIME: Json = {"type": "string", "format": "date-time"}
CODE: Json = {"type": "string", "pattern": r"\A[A-Za-z][A-Za-z0-9._]*\Z"}

# https://learn.microsoft.com/azure/azure-resource-manager/management/common-deployment-errors, and in full in
# https://github.com/cloud-and-ai-microsoft/resource-provider-contract, "error response content".
INNER_ERROR = closed(
    {"code": CODE, "message": STRING},
    {
        "target": STRING,
        "details": {"type": "array", "items": {"$ref": "#/$defs/error"}},
        "innererror": {"type": "object"},
        "additionalInfo": {"type": "array", "items": closed({"type": STRING, "info": {"type": "object"}})},
    },
)
ERROR = closed({"error": {"$ref": "#/$defs/error"}}) | {"$defs": {"error": INNER_ERROR}}

# https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow#error-response
SIGN_IN_ERROR = closed(
    {"error": {"type": "string", "pattern": r"\A[a-z_]+\Z"}, "error_description": STRING},
    {
        "error_codes": {"type": "array", "items": INTEGER},
        "timestamp": STRING,
        "trace_id": STRING,
        "correlation_id": STRING,
        "error_uri": STRING,
    },
)

TOKEN = closed(
    {"token_type": {"type": "string", "enum": ["Bearer"]}, "expires_in": INTEGER, "access_token": STRING},
    {"ext_expires_in": INTEGER},
)

# https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token: its numbers are strings.
IDENTITY_TOKEN = closed(
    {"access_token": STRING, "expires_on": STRING, "resource": STRING, "token_type": STRING},
    {"client_id": STRING, "expires_in": STRING, "ext_expires_in": STRING, "not_before": STRING, "refresh_token": STRING},
)
IDENTITY_QUERY = {"resource", "client_id", "object_id", "msi_res_id", "mi_res_id", "bypass_cache"}

# https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations
RUNS = ["InProgress", "Running", "Accepted", "Creating", "Updating", "Deleting"]
FAILS = ["Failed", "Canceled"]
STATUS: Json = closed(
    {"status": {"type": "string", "enum": [*RUNS, "Succeeded", *FAILS]}},
    {
        "id": STRING,
        "name": STRING,
        "startTime": TIME,
        "endTime": TIME,
        "percentComplete": {"type": "number", "minimum": 0, "maximum": 100},
        "properties": {"type": "object"},
        "error": {"$ref": "#/$defs/error"},
    },
) | {"$defs": {"error": INNER_ERROR}}
# Compute says when and which; Network only how it is.
COMPUTE_STATUS = STATUS | {"required": ["status", "name", "startTime"]}


@dataclass
class Other:
    name: str
    template: str
    statuses: list[int]
    # Of a success; none is one that is not looked at.
    response: Json | None
    query: set[str] = field(default_factory=set)
    # Of the sign-in service, or of the one for managed identities: they have errors of their own.
    is_sign_in: bool = False
    # An operation that went on after it was accepted.
    is_status: bool = False
    http_method: str = "GET"

    def __post_init__(self) -> None:
        parts = re.split(r"\{[^}]+\}", self.template)
        self.pattern = re.compile("([^/]+)".join(re.escape(part) for part in parts), re.IGNORECASE)


# What Compute and Network put into the URLs of their operations.
OPERATION_QUERY = {"p", "t", "c", "s", "h", "monitor"}
OTHERS = [
    Other("sign_in", "/{tenant}/oauth2/v2.0/token", [200], TOKEN, is_sign_in=True, http_method="POST"),
    Other("identity", "/metadata/identity/oauth2/token", [200], IDENTITY_TOKEN, IDENTITY_QUERY, is_sign_in=True),
]
for operations, status_schema in (
    ("Microsoft.Compute/locations/{l}/operations", COMPUTE_STATUS),
    ("Microsoft.Compute/locations/{l}/DiskOperations", COMPUTE_STATUS),
    ("Microsoft.Network/locations/{l}/operations", STATUS),
):
    path = f"/subscriptions/{{s}}/providers/{operations}/{{o}}"
    OTHERS.append(Other("operation_get", path, [200, 202], status_schema, OPERATION_QUERY, is_status=True))
path = "/subscriptions/{s}/providers/Microsoft.Network/locations/{l}/operationResults/{o}"
OTHERS.append(Other("operation_result_get", path, [200, 202, 204], None, OPERATION_QUERY))


def validator(schema: Json) -> Any:
    return Validator(schema, format_checker=FORMATS)


def find(http_method: str, path: str) -> tuple[Other | None, bool]:
    """The one of a path, and whether the path is there with any HTTP method."""
    matching = [other for other in OTHERS if other.pattern.fullmatch(unquote(path))]
    return next((other for other in matching if other.http_method == http_method), None), bool(matching)
