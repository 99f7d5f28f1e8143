"""Letting somebody in: the session that is started, and the answer that carries its token."""

from dataclasses import dataclass

from tradepost.aws.secrets import signing_key
from tradepost.domain.ids import derived_token, new_id
from tradepost.domain.people import Account, Member
from tradepost.domain.stores import Store
from tradepost.http.answers import SignedIn, member_brief, store_brief
from tradepost.http.callers import CallerInfo
from tradepost.table.people import save_account, start_session
from tradepost.table.transaction import TokenSeed, Transaction


@dataclass(frozen=True)
class Entrance:
    """A session that a transaction is about to start, and the answer that will carry its token."""

    answer: SignedIn
    seed: TokenSeed

    def commit(self, tx: Transaction, *, within: str | None = None, **more: object) -> SignedIn:
        """Write the transaction. Its answer is kept for retries without the token.

        `within` names the member of a larger answer that holds this one; `more` are the other members.
        """
        session = self.answer.model_dump(mode="json", exclude={"token"})
        tx.answer({within: session, **more} if within else session, token_seed=self.seed)
        tx.commit()
        return self.answer


def open_session(
    tx: Transaction, account: Account, member: Member, store: Store, caller: CallerInfo, *, device: str | None = None
) -> Entrance:
    """Start a session in a transaction, and prepare the answer. The device is called what it calls itself, unless named."""
    seed = TokenSeed(owner=member.id, session=new_id())
    token = derived_token(
        signing_key(), "session", member.id, seed.session, caller.facts.headers.get("idempotency-key", new_id())
    )
    if not account.version:
        save_account(tx, account)
    named = device or caller.facts.headers.get("user-agent", "")[:200]
    session = start_session(tx, member, token.secret, at=caller.at, device=named, address=caller.facts.address)
    answer = SignedIn(
        token=str(token),
        expires_at=session.expires_at,
        member=member_brief(member),
        store=store_brief(store),
        landing=member.landing or store.default_landing,
    )
    return Entrance(answer, seed)
