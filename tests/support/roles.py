"""The functions' IAM roles, read from `template.yaml` and held against what the functions really do.

moto does not look at roles. So that a role with too little is found before AWS finds it, every AWS call that a function
makes in a test is checked here against that function's own statements, down to the leading keys of the table.
"""

import fnmatch
import os
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from tests.support.template import template

_TRANSACTION = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
_ARN = "arn:${AWS::Partition}:"
_HERE = "${AWS::Region}:${AWS::AccountId}:"
_SPELLED = {
    "SigningKey": {"Ref": "SigningKey"},
    "StripeSecret": {"Fn::Sub": f"{_ARN}secretsmanager:{_HERE}secret:${{StripeSecretId}}-??????"},
    "PublicUrlParameter": {"Fn::Sub": f"{_ARN}ssm:{_HERE}parameter/${{AWS::StackName}}/public-url"},
    "MailQueue": {"Fn::GetAtt": "MailQueue.Arn"},
    "CustomerImportQueue": {"Fn::GetAtt": "CustomerImportQueue.Arn"},
    "EventMailingQueue": {"Fn::GetAtt": "EventMailingQueue.Arn"},
    "EnrolmentQueue": {"Fn::GetAtt": "EnrolmentQueue.Arn"},
    "RulesQueue": {"Fn::GetAtt": "RulesQueue.Arn"},
    "ExportsQueue": {"Fn::GetAtt": "ExportsQueue.Arn"},
    "ErasuresQueue": {"Fn::GetAtt": "ErasuresQueue.Arn"},
    "ExportsBucket": {"Fn::GetAtt": "ExportsBucket.Arn"},
    "ExportsBucket/exports": {"Fn::Sub": "${ExportsBucket.Arn}/exports/*"},
    "ImportsBucket/uploads": {"Fn::Sub": "${ImportsBucket.Arn}/uploads/*"},
    "ImportsBucket/checks": {"Fn::Sub": "${ImportsBucket.Arn}/checks/*"},
    "identity": {"Fn::Sub": f"{_ARN}ses:{_HERE}identity/*"},
    "ConfigurationSet": {"Fn::Sub": f"{_ARN}ses:{_HERE}configuration-set/${{ConfigurationSet}}"},
    "*": "*",
}
_OTHERS = {
    "GetSecretValue": [("secretsmanager:GetSecretValue", "SigningKey")],
    "GetParameter": [("ssm:GetParameter", "PublicUrlParameter")],
    "SendEmail": [("ses:SendEmail", "identity"), ("ses:SendEmail", "ConfigurationSet")],
    "GetEmailIdentity": [("ses:GetEmailIdentity", "identity")],
    "GetAccount": [("ses:GetAccount", "*")],
}
_CONDITIONS = {"s3:ListBucket": ("StringLike", "s3:prefix")}
_UPLOADS = {
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "HeadObject": "s3:GetObject",
    "GetObject": "s3:GetObject",
    "DeleteObject": "s3:DeleteObject",
}
_QUEUES = {
    "SendMessage": "sqs:SendMessage",
    "SendMessageBatch": "sqs:SendMessage",
    "ChangeMessageVisibility": "sqs:ChangeMessageVisibility",
}
_QUEUE_OF = {
    "mail": "MailQueue",
    "customer-imports": "CustomerImportQueue",
    "event-mailings": "EventMailingQueue",
    "enrolment": "EnrolmentQueue",
    "rules": "RulesQueue",
    "exports": "ExportsQueue",
    "erasures": "ErasuresQueue",
}


class Deed(NamedTuple):
    """One thing that a role must allow: an action on a resource, and with what its condition allows it.

    That is the leading key for the table, and for what is listed in a bucket how the names begin.
    """

    action: str
    resource: str
    within: str | None = None


class NotAllowedError(AssertionError):
    """The function did what its role does not allow."""


def _others(operation: str, parameters: Mapping[str, Any]) -> Iterator[Deed]:
    is_stripes = parameters.get("SecretId") == os.environ["STRIPE_SECRET_ID"]
    for action, name in _OTHERS[operation]:
        yield Deed(action, "StripeSecret" if is_stripes else name)


def deeds(operation: str, parameters: Mapping[str, Any]) -> Iterator[Deed]:
    """Return what one AWS call amounts to."""
    if operation in _OTHERS:
        yield from _others(operation, parameters)
    elif operation in _QUEUES:
        yield Deed(_QUEUES[operation], _QUEUE_OF[parameters["QueueUrl"].rpartition("/")[2]])
    elif operation in _UPLOADS:
        yield _of_bucket(operation, parameters)
    elif operation == "ListObjectsV2":
        yield Deed("s3:ListBucket", "ExportsBucket", parameters["Prefix"])
    elif operation in {"BatchWriteItem", "BatchGetItem"}:
        yield from _of_batch(operation, parameters)
    elif operation == "TransactWriteItems":
        for action in parameters["TransactItems"]:
            [(kind, item)] = action.items()
            key = (item.get("Key") or item["Item"])["pk"]["S"]
            yield Deed(f"dynamodb:{_TRANSACTION[kind]}", "Table", key)
    elif operation == "Query":
        index = parameters.get("IndexName")
        yield Deed("dynamodb:Query", f"Table/{index}" if index else "Table", _partition(parameters))
    elif operation in {"GetItem", "PutItem", "UpdateItem", "DeleteItem"}:
        key = (parameters.get("Key") or parameters.get("Item") or {})["pk"]["S"]
        yield Deed(f"dynamodb:{operation}", "Table", key)
    else:
        yield Deed(operation, "unknown")


def _of_bucket(operation: str, parameters: Mapping[str, Any]) -> Deed:
    version = "Version" if "VersionId" in parameters else ""
    bucket = "ExportsBucket" if parameters["Bucket"] == os.environ["EXPORTS_BUCKET"] else "ImportsBucket"
    return Deed(f"{_UPLOADS[operation]}{version}", f"{bucket}/{parameters['Key'].partition('/')[0]}")


def _of_batch(operation: str, parameters: Mapping[str, Any]) -> Iterator[Deed]:
    for of_table in parameters["RequestItems"].values():
        items = of_table["Keys"] if operation == "BatchGetItem" else [each for one in of_table for each in one.values()]
        keys = [item.get("Key") or item.get("Item") or item for item in items]
        yield from (Deed(f"dynamodb:{operation}", "Table", key["pk"]["S"]) for key in keys)


def check(function: str, operation: str, parameters: Mapping[str, Any]) -> None:
    """Raise `NotAllowedError` if the function's role does not allow a call."""
    for deed in deeds(operation, parameters):
        if not any(_allows(statement, deed) for statement in statements(function)):
            raise NotAllowedError(f"{function} may not {deed.action} on {deed.resource} {deed.within or ''}")


@cache
def logical_ids() -> dict[str, str]:
    """Return the logical id of each function, by its folder."""
    functions = template()["Resources"].items()
    return {
        resource["Properties"]["CodeUri"].removeprefix("functions/"): name
        for name, resource in functions
        if resource["Type"] == "AWS::Serverless::Function"
    }


@cache
def statements(function: str) -> tuple[dict[str, Any], ...]:
    """Return the statements of a function's role, those of shared policies included."""
    found: list[dict[str, Any]] = []
    for policy in template()["Resources"][logical_ids()[function]]["Properties"].get("Policies", ()):
        document = template()["Resources"][policy["Ref"]]["Properties"]["PolicyDocument"] if "Ref" in policy else policy
        found.extend(document["Statement"])
    return tuple(found)


def _partition(parameters: Mapping[str, Any]) -> str:
    placeholder = parameters["KeyConditionExpression"].split("=")[1].split()[0].strip("() ")
    return str(parameters["ExpressionAttributeValues"][placeholder]["S"])


def _allows(statement: Mapping[str, Any], deed: Deed) -> bool:
    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    if deed.action not in actions:
        return False
    resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
    if not any(_is_resource(resource, deed.resource) for resource in resources):
        return False
    within = deed.within
    if within is None:
        return True
    operator, name = _CONDITIONS.get(deed.action, ("ForAllValues:StringLike", "dynamodb:LeadingKeys"))
    patterns = statement.get("Condition", {}).get(operator, {}).get(name)
    return patterns is not None and any(fnmatch.fnmatchcase(within, pattern) for pattern in patterns)


def _is_resource(resource: Any, wanted: str) -> bool:
    if wanted in _SPELLED:
        return bool(resource == _SPELLED[wanted])
    if resource == {"Fn::GetAtt": "Table.Arn"}:
        return wanted == "Table"
    return bool(wanted.startswith("Table/") and resource == {"Fn::Sub": "${Table.Arn}/index/" + wanted.removeprefix("Table/")})
