"""Help for reasons of matching, planning and sending a record."""

from pipeline.domain.reason_help.explanation import Explanation, Help
from pipeline.domain.reasons import Reason

_REFERENCE = {"external_reference": "A-1"}
SENDING: Help = {
    Reason.MATCH_REPEATS_EARLIER_ROW: Explanation(
        "No action is needed: the first record is created, and the list names it.",
        example="the same record twice in one file",
    ),
    Reason.MATCH_SAME_REFERENCE_OTHER_CONTENT: Explanation(
        "Decide which row is the customer, delete the others, and submit the corrected list.",
        example="A-1 with a balance of 100, and A-1 with a balance of 200",
    ),
    Reason.MATCH_KNOWN_SAME: Explanation(
        "No action is needed: billing has this customer.",
        example="A-1 with the same content as in the known customers",
        settings=("references",),
    ),
    Reason.MATCH_KNOWN_DIFFERENT: Explanation(
        "Decide whether the file or billing is right. An import changes no existing customer.",
        example="A-1 with a balance other than in the known customers",
        settings=("references",),
    ),
    Reason.MATCH_EMAIL_OF_ANOTHER: Explanation(
        "Check whether the two are one customer. If not, correct one of the addresses.",
        example="A-1 with the address of the known customer B-7",
        settings=("references",),
    ),
    Reason.MATCH_PHONE_OF_ANOTHER: Explanation(
        "Check whether the two are one customer. Families and offices share numbers.",
        example="A-1 with the number of the known customer B-7",
        settings=("references",),
    ),
    Reason.MATCH_BILLING_ID_OF_ANOTHER: Explanation(
        "Correct the billing id: it belongs to another reference.",
        example="A-1 with the billing id of the known customer B-7",
        settings=("references",),
    ),
    Reason.MATCH_IDENTITY_OF_ANOTHER: Explanation(
        "Check whether this is a second account of the same person.",
        example="a new reference with the identity number of a known customer",
        settings=("references.same_identity", "mapping.identity"),
    ),
    Reason.PLAN_CREATED_BEFORE: Explanation(
        "No action is needed: an earlier run created or found this customer.",
        example="the same file, planned again after it was applied",
    ),
    Reason.PLAN_CREATED_BEFORE_DIFFERENT: Explanation(
        "If the new content is right, change the customer in billing. An import changes "
        "no existing customer.",
        example="yesterday's file again, with another balance for A-1",
    ),
    Reason.PLAN_CREATED_BEFORE_OTHER_FORM: Explanation(
        "Compare the fields that the changelog lists for this normalization version. "
        "The customer may be the same in another form.",
        example="a name with a zero-width space at its end, created by a version that kept it",
    ),
    Reason.PLAN_REFUSED_BEFORE: Explanation(
        "Correct the row by billing's answer. If billing accepts it now, use --retry-refused.",
        example="a row that billing refused, submitted again without a correction",
        settings=("--retry-refused",),
    ),
    Reason.PLAN_EARLIER_REQUEST_UNSETTLED: Explanation(
        "Resume this run. It settles the earlier request first, and then sends or holds "
        "this record.",
        example="A-1 in doubt since last night, and in today's file with another balance",
    ),
    Reason.PLAN_EARLIER_REQUEST_GIVEN_UP: Explanation(
        "Run --give-up for the earlier request 48 hours after its last send. If it was never created, run this file again.",
        example="A-1 given up this morning, and in tonight's file with another balance",
        settings=("--give-up",),
    ),
    Reason.PLAN_OUTSIDE_WAVE: Explanation(
        "No action is needed: run the file again for the rest.",
        example="a row of a branch that --where excludes",
        settings=("--where",),
    ),
    Reason.PLAN_BEYOND_LIMIT: Explanation(
        "No action is needed: run the file again for the rest.",
        example="row 101 with --limit 100",
        settings=("--limit",),
    ),
    Reason.SUBMIT_REFUSED: Explanation(
        "Read billing's answer in _import_billing_said, correct the row, and submit the "
        "list again.",
        example="a rule of billing that its documentation does not mention",
        settings=("thresholds.usual_refusals", "thresholds.alarming_refusals"),
    ),
    Reason.SUBMIT_TOO_LARGE: Explanation(
        "Shorten the metadata. A gateway before billing limits the size of a request.",
        example="an answer 413, 414 or 431",
    ),
    Reason.SUBMIT_ALREADY_THERE: Explanation(
        "No action is needed: billing has this customer, but not from this run. Add it "
        "to the known customers to save the lookup.",
        example="a customer that somebody created by hand",
        settings=("references",),
    ),
    Reason.SUBMIT_ALREADY_THERE_DIFFERENT: Explanation(
        "Compare the two in differences.csv, and decide. An import changes no existing customer.",
        example="A-1 created by hand with another balance",
        settings=("references",),
    ),
    Reason.SUBMIT_ECHO_DIFFERS: Explanation(
        "Compare both sides in differences.csv, and correct the customer in billing.",
        example="a name that billing cuts after 100 characters",
    ),
    Reason.SUBMIT_IN_DOUBT: Explanation(
        "Resume the run. It looks the customer up, and sends again under the same key "
        "if billing lacks it.",
        example="a connection that broke after the request was sent",
        settings=("thresholds.outage_seconds",),
    ),
    Reason.SUBMIT_GIVEN_UP: Explanation(
        "No action is needed in this run. Reconcile later: it reports the customer if "
        "billing creates it after all.",
        example="a create that a gateway refused for a week",
        settings=("--give-up", "--note"),
    ),
    Reason.SUBMIT_NOT_ATTEMPTED: Explanation(
        "Remove the cause of the stop, and resume the run.",
        example="rows after the revocation of the API key",
        settings=("--stop-by", "--max-creates"),
    ),
}
