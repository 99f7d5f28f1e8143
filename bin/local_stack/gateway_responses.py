"""What API Gateway says by itself, without any Lambda: the template decides, and the engine leaves it out."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from local_stack.deploy import TEMPLATE, read_template


class GatewayResponses:
    """The answers that the template's Api declares under `GatewayResponses`."""

    def __init__(self, declared: Mapping[str, Any]) -> None:
        """Know them by their types, such as `THROTTLED` or `DEFAULT_4XX`."""
        self._declared = declared

    @classmethod
    def of_template(cls) -> "GatewayResponses":
        """Those of `template.yaml`."""
        resources = read_template(TEMPLATE)["Resources"].values()
        [api] = [resource["Properties"] for resource in resources if resource["Type"] == "AWS::Serverless::Api"]
        return cls(api.get("GatewayResponses", {}))

    def answer(self, kind: str, usual: HTTPStatus, message: str) -> Response:
        """Say it in the template's words; where it has none, with the gateway's own status and message."""
        default = "DEFAULT_5XX" if usual >= HTTPStatus.INTERNAL_SERVER_ERROR else "DEFAULT_4XX"
        declared = self._declared.get(kind) or self._declared.get(default) or {}
        [(media_type, body)] = (declared.get("ResponseTemplates") or {"application/json": f'{{"message":"{message}"}}'}).items()
        headers = declared.get("ResponseParameters", {}).get("Headers", {})
        given = {name.lower(): value.strip("'") for name, value in headers.items()}
        return Response(body, int(declared.get("StatusCode", usual)), {"content-type": media_type, **given})
