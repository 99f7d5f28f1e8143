"""POST /v1/stores/{slug}/resellers: enrol a company as a reseller, which counts once its address is confirmed."""

from tradepost.http.app import ANYONE, Caller, make_app
from tradepost.http.enrolments import EnrolmentReceived, NewEnrolment, enrol, enrolment_reads

app = make_app()


@app.post("/v1/stores/<slug>/resellers", allow=ANYONE, status=202, reads=enrolment_reads)
def enrol_reseller(slug: str, new: NewEnrolment, caller: Caller) -> EnrolmentReceived:
    """Enrol a company with a store. The contact is mailed a link, and its confirmation makes the company pending.

    The answer is the same for every address. The password is that of the contact's account, if it has none yet when it
    confirms; an account that there is keeps its own.
    """
    return enrol(slug, new, caller)


handler = app.handler
