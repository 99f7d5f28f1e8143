"""Erasing a person in the background, from its sessions to its account, as far as a worker's time goes.

What it exported, and what was exported about it, goes with the files. A file that is being written is given up: its worker
finds that out when it is about to say that the file is there.
"""

import json
from collections.abc import Callable, Mapping
from typing import Final

from pynamodb.expressions.operand import Path

from tradepost.aws.exports import abort_upload, delete_file, file_key
from tradepost.domain.erasures import NOBODYS_NAME
from tradepost.domain.exports import Export
from tradepost.domain.outbox import Erasure
from tradepost.table.erasures import (
    Whose,
    forget_account,
    forget_acting,
    forget_api_keys,
    forget_events,
    forget_invitations,
    forget_offers,
    forget_sessions,
)
from tradepost.table.exports import list_exports
