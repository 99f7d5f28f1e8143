"""What is deployed keeps its promises: data survives, nothing is open, a failure is noticed, a role does one thing."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from tests.support.functions import ROOT, function_names
from tests.support.roles import logical_ids, statements
from tests.support.template import resource, template
from tradepost.domain.exports import EXPORT_LIFETIME
from tradepost.table.shapes import SHAPES

MOST_RESOURCES = 450
WITHOUT_TLS = {"Bool": {"aws:SecureTransport": "false"}}
RESOURCES: dict[str, dict[str, Any]] = template()["Resources"]
FUNCTIONS = [(function, RESOURCES[logical_ids()[function]]["Properties"]) for function in function_names()]
PER_FUNCTION = pytest.mark.parametrize(
    ("function", "properties"), FUNCTIONS, ids=lambda value: value if isinstance(value, str) else ""
)


def _of_type(kind: str) -> dict[str, dict[str, Any]]:
    return {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == kind}


def _setting(properties: Mapping[str, Any], name: str) -> Any:
    return properties.get(name, template()["Globals"]["Function"].get(name))


def _events(kind: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for _, properties in FUNCTIONS:
        for event in properties.get("Events", {}).values():
            if event["Type"] == kind:
                yield properties, event["Properties"]


def _arn(name: str) -> dict[str, str]:
    return {"Fn::GetAtt": f"{name}.Arn"}


def _dead_letter_queues() -> set[str]:
    """Return the queues to which a queue, a stream or a schedule hands what nobody could work on."""
    targets = [
        queue["RedrivePolicy"]["deadLetterTargetArn"]
        for queue in _of_type("AWS::SQS::Queue").values()
        if "RedrivePolicy" in queue
    ]
    targets += [event["DestinationConfig"]["OnFailure"]["Destination"] for _, event in _events("DynamoDB")]
    kinds = ("Schedule", "ScheduleV2", "EventBridgeRule")
    targets += [event["DeadLetterConfig"]["Arn"] for kind in kinds for _, event in _events(kind)]
    # Nobody waits for what an event makes of a function: what failed again and again goes to the function's own queue.
    targets += [properties["DeadLetterQueue"]["TargetArn"] for properties, _ in _events("EventBridgeRule")]
    return {target["Fn::GetAtt"].removesuffix(".Arn") for target in targets}


def test_the_stack_stays_well_below_what_a_stack_may_hold() -> None:
    # SAM makes of a function itself and its role, a version and an alias if it is published, and for each event a permission
    # or a mapping; a schedule needs its own role besides, a rule is one. The Api gets a deployment and a stage.
    made = len(RESOURCES) + 2 * len(_of_type("AWS::Serverless::Api"))
    for _, properties in FUNCTIONS:
        published = 2 if _setting(properties, "AutoPublishAlias") else 0
        kinds = [event["Type"] for event in properties.get("Events", {}).values()]
        made += 1 + published + len(kinds) + sum(kind.startswith(("Schedule", "EventBridgeRule")) for kind in kinds)
    assert made < MOST_RESOURCES


def test_the_table_grows_by_itself_and_can_be_brought_back_to_any_second() -> None:
    table = resource("Table")
    properties = table["Properties"]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True}
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert properties["StreamSpecification"]["StreamViewType"] == "NEW_IMAGE"
    assert table["UpdateReplacePolicy"] == "Retain"
    assert table["DeletionPolicy"] in {"Retain", "RetainExceptOnCreate"}


def test_the_table_is_protected_unless_a_parameter_says_otherwise() -> None:
    assert resource("Table")["Properties"]["DeletionProtectionEnabled"] == {"Ref": "DeletionProtection"}
    assert template()["Parameters"]["DeletionProtection"]["Default"] == "true"


def test_a_new_signing_key_never_takes_the_place_of_the_old_one() -> None:
    for name in _of_type("AWS::SecretsManager::Secret"):
        assert resource(name)["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("name", _of_type("AWS::SQS::Queue"))
def test_a_queue_is_encrypted_and_reached_by_tls_only(name: str) -> None:
    assert resource(name)["Properties"]["SqsManagedSseEnabled"] is True
    assert _is_denied_without_tls(_of_type("AWS::SQS::QueuePolicy"), "Queues", name, "sqs:*", [_arn(name)])


@pytest.mark.parametrize("name", _of_type("AWS::S3::Bucket"))
def test_a_bucket_is_encrypted_private_and_reached_by_tls_only(name: str) -> None:
    properties = resource(name)["Properties"]
    [rule] = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] in {"AES256", "aws:kms"}
    blocked = properties["PublicAccessBlockConfiguration"]
    assert blocked == dict.fromkeys(("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True)
    everything = [_arn(name), {"Fn::Sub": f"${{{name}.Arn}}/*"}]
    assert _is_denied_without_tls(_of_type("AWS::S3::BucketPolicy"), "Bucket", name, "s3:*", everything)


def test_files_of_exports_and_parts_of_those_that_never_came_to_be_delete_themselves() -> None:
    bucket = resource("ExportsBucket")["Properties"]
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert (rule["Status"], rule["ExpirationInDays"]) == ("Enabled", EXPORT_LIFETIME.days + 1)
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    # Of all of them, not only of some.
    assert rule.keys() == {"Id", "Status", "ExpirationInDays", "AbortIncompleteMultipartUpload"}
    # No older version of a file is kept that was deleted because somebody withdrew consent.
    assert "VersioningConfiguration" not in bucket


@pytest.mark.parametrize("function", ["exports/export_data", "exports/archive_person"])
def test_what_mints_links_to_files_may_get_them_and_do_nothing_else_to_them(function: str) -> None:
    of_files = [each for each in statements(function) if "s3:" in str(each["Action"])]
    assert [(each["Action"], each["Resource"]) for each in of_files] == [
        (["s3:GetObject"], {"Fn::Sub": "${ExportsBucket.Arn}/exports/*"})
    ]


def _is_denied_without_tls(policies: Mapping[str, Any], subject: str, name: str, action: str, wanted: list[Any]) -> bool:
    for policy in policies.values():
        named = policy[subject] if isinstance(policy[subject], list) else [policy[subject]]
        for statement in policy["PolicyDocument"]["Statement"] if {"Ref": name} in named else ():
            denied = (statement["Effect"], statement["Principal"], statement["Action"], statement["Condition"])
            if denied == ("Deny", "*", action, WITHOUT_TLS) and all(each in statement["Resource"] for each in wanted):
                return True
    return False


def test_a_queue_has_a_dead_letter_queue_unless_it_is_one() -> None:
    queues = _of_type("AWS::SQS::Queue")
    assert {name for name, queue in queues.items() if "RedrivePolicy" not in queue} == _dead_letter_queues()


def test_what_ends_in_a_dead_letter_queue_is_kept_longest_and_raises_an_alarm() -> None:
    alarmed = {}
    for alarm in _of_type("AWS::CloudWatch::Alarm").values():
        for dimension in alarm.get("Dimensions", ()):
            if alarm["MetricName"] == "ApproximateNumberOfMessagesVisible" and dimension["Name"] == "QueueName":
                alarmed[dimension["Value"]["Fn::GetAtt"].removesuffix(".QueueName")] = alarm
    for name in _dead_letter_queues():
        assert resource(name)["Properties"]["MessageRetentionPeriod"] == 14 * 24 * 3600
        assert (alarmed[name]["Threshold"], alarmed[name]["ComparisonOperator"]) == (0, "GreaterThanThreshold")
        assert alarmed[name]["AlarmActions"]


def test_a_message_stays_hidden_for_six_times_as_long_as_its_consumer_may_take() -> None:
    consumed = [(properties, event["Queue"]["Fn::GetAtt"].removesuffix(".Arn")) for properties, event in _events("SQS")]
    assert consumed
    for properties, queue in consumed:
        assert resource(queue)["Properties"]["VisibilityTimeout"] >= 6 * _setting(properties, "Timeout")


def test_a_consumer_reports_what_failed_and_not_the_whole_batch() -> None:
    for kind in ("SQS", "DynamoDB"):
        for _, event in _events(kind):
            assert event["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


@PER_FUNCTION
def test_a_function_has_a_role_of_its_own_made_of_statements(function: str, properties: Mapping[str, Any]) -> None:
    assert "Role" not in properties
    for policy in properties["Policies"]:
        if "Ref" in policy:
            assert resource(policy["Ref"])["Type"] == "AWS::IAM::ManagedPolicy"
        else:
            assert policy.keys() <= {"Version", "Statement"}


@PER_FUNCTION
def test_a_role_reaches_named_kinds_of_items_only(function: str, properties: Mapping[str, Any]) -> None:
    for statement in statements(function):
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        if any(action.startswith("dynamodb:") for action in actions):
            assert "dynamodb:Scan" not in actions
            patterns = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
            resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            for each in resources:
                assert {pattern.removesuffix("*") for pattern in patterns} <= _kinds_in(each), f"{actions} on {each}"


def _kinds_in(table_or_index: Mapping[str, Any]) -> set[str]:
    """Return the beginnings of the keys in the table or in one of its indexes."""
    keys = {
        str(_arn("Table")): {shape.pk for shape in SHAPES},
        str({"Fn::Sub": "${Table.Arn}/index/gsi1"}): {shape.gsi1.pk for shape in SHAPES if shape.gsi1},
        str({"Fn::Sub": "${Table.Arn}/index/gsi2"}): {shape.gsi2.pk for shape in SHAPES if shape.gsi2},
    }
    return {key.partition("#")[0] + "#" for key in keys[str(table_or_index)]}


def test_a_firewall_stands_before_the_api_and_keeps_crowds_off_what_strangers_may_do() -> None:
    assert resource("FirewallOfApi")["Properties"]["WebACLArn"] == {"Fn::GetAtt": "Firewall.Arn"}
    assert {resource(name)["Condition"] for name in ("Firewall", "FirewallOfApi")} == {"HasWaf"}
    rules = resource("Firewall")["Properties"]["Rules"]
    (crowds,) = [rule["Statement"]["RateBasedStatement"] for rule in rules if "RateBasedStatement" in rule["Statement"]]
    # Five hundred from one address are none.
    assert crowds["Limit"] > 500
    kept_off = re.compile(crowds["ScopeDownStatement"]["RegexMatchStatement"]["RegexString"])
    for path in ("/v1/stores/acme/resellers", "/enrol/acme", "/e/acme.01.abc"):
        assert kept_off.match(f"/live{path}")
        assert kept_off.match(path)
    assert [path for path in ("/v1/stores", "/live/v1/resellers", "/live/v1/orders", "/i/acme") if kept_off.match(path)] == []
    managed = {rule["Statement"]["ManagedRuleGroupStatement"]["Name"] for rule in rules if "OverrideAction" in rule}
    assert managed == {"AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesCommonRuleSet"}


def test_a_route_by_which_strangers_make_us_hash_passwords_is_throttled() -> None:
    settings = {(each["ResourcePath"], each["HttpMethod"]): each for each in resource("Api")["Properties"]["MethodSettings"]}
    for path in ("/v1/sessions", "/v1/stores", "/v1/stores/{slug}/resellers", "/enrol/{slug}"):
        assert settings[("/" + path.replace("/", "~1"), "POST")]["ThrottlingRateLimit"] <= 20


def test_what_hears_of_stripe_may_read_its_secret_alone_and_none_where_there_is_no_stripe() -> None:
    secrets = [
        each["Resource"] for each in statements("billing/receive_stripe_events") if "secretsmanager" in str(each["Action"])
    ]
    # Without its name in the middle this is a secret that has none, which cannot be.
    assert [str(each).count(":secret:${StripeSecretId}-??????") for each in secrets] == [1]
    assert "SigningKey" not in str(secrets)


def test_a_wildcard_stands_below_its_reason() -> None:
    lines = (ROOT / "template.yaml").read_text().splitlines()
    unexplained = []
    for key, value in _policy_parts(yaml.compose("\n".join(lines))):
        for line in {node.start_mark.line for node in _scalars(value) if "*" in node.value}:
            above = {key.start_mark.line - 1, line - 1}
            if not any(re.match(r"\s*# \w", lines[number]) for number in above):
                unexplained.append(f"line {line + 1}: {lines[line].strip()}")
    assert unexplained == []


def _policy_parts(node: yaml.Node | None) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Find the parts of every policy in which a wildcard would let in more than is named; a denial may be wide."""
    if isinstance(node, yaml.MappingNode):
        if any((key.value, value.value) == ("Effect", "Deny") for key, value in node.value):
            return
        for key, value in node.value:
            if key.value in {"Action", "Resource", "Principal"}:
                yield key, value
            else:
                yield from _policy_parts(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _policy_parts(item)


def _scalars(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _scalars(item)
