"""What the deployment decides: names of resources and switches, read from the environment on first use."""

import os
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """The parameters of `template.yaml` as the functions see them. Raises `ValidationError` naming what is missing."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    table_name: str
    secret_id: str = ""
    public_url: str = ""
    public_url_parameter: str = ""
    sender_address: str = ""
    configuration_set: str = ""
    mail_queue_url: str = ""
    customer_import_queue_url: str = ""
    event_mailing_queue_url: str = ""
    enrolment_queue_url: str = ""
    rules_queue_url: str = ""
    exports_queue_url: str = ""
    erasures_queue_url: str = ""
    imports_bucket: str = ""
    exports_bucket: str = ""
    stripe_secret_id: str = ""
    stripe_address: str = "https://api.stripe.com"
    store_signup: Literal["open", "closed"] = "open"


@cache
def settings() -> Settings:
    """Return the settings; the environment is read once per process, never on import."""
    return Settings.model_validate({name.lower(): value for name, value in os.environ.items()})
