"""PUT /v1/me/password: replace one's password, which ends every other session, and say so by mail."""

from typing import Annotated

from pydantic import Field

from tradepost.domain.outbox import PasswordChangedMail
from tradepost.domain.passwords import hash_password
from tradepost.domain.permissions import Permission
from tradepost.domain.values import Value
from tradepost.http.app import Caller, make_app
from tradepost.http.sign_in import prove
from tradepost.table.people import forget_failures, save_account

app = make_app()

type Password = Annotated[str, Field(max_length=1000)]


class PasswordChange(Value):
    """The password as it is, and as it will be."""

    current_password: Password
    new_password: Password


@app.put("/v1/me/password", allow=Permission.OWN_PROFILE, status=204)
def change_password(change: PasswordChange, caller: Caller) -> None:
    """Change the password of this person in all stores. Wrong current passwords count as failed log-ins do."""
    account = caller.account
    prove(account.email, change.current_password, caller)
    password_hash = hash_password(
        change.new_password, pointer="/new_password", personal=(account.email, account.name, caller.store.name)
    )
    changed = account.with_password(password_hash, at=caller.at, keeping=caller.session.id)
    tx = caller.transaction()
    save_account(tx, changed)
    forget_failures(tx, account.person)
    tx.announce(PasswordChangedMail(person=account.person, store_id=caller.store.id))
    tx.audit("password:changed", caller.member.id)
    tx.commit()


handler = app.handler
