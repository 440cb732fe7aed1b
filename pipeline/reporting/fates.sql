-- The fate of every record of one part, once each: set aside by reading or validation, decided by the
-- plan, or settled by billing. A lost record has no fate here; the accounting checks then fail.
-- records, plan: the part               (positions from $first to $last)
-- settled:       what the ledger says   (see settled.sql)
WITH joined AS (
    SELECT
        records.position,
        records.row_id,
        records.line_count,
        records.external_reference,
        records.origin_run,
        records.origin_row,
        records.reasons AS set_aside_reasons,
        records.fate AS set_aside_fate,
        CASE
            WHEN records.currency IS NULL THEN $no_currency
            WHEN records.currency IN (SELECT unnest($currencies)) THEN records.currency
            ELSE $no_code
        END AS currency,
        records.balance,
        records."kind.balance" AS balance_kind,
        plan.action,
        plan.fate AS planned_fate,
        plan.reason AS planned_reason,
        plan.flags,
        plan.same_as,
        plan.fingerprint,
        plan.key AS planned_key,
        settled.state,
        settled.settled_by,
        settled.same_content,
        settled.sent_key,
        settled.billing_id,
        settled.payable,
        settled.detail
    FROM {records} AS records
    LEFT JOIN {plan} AS plan USING (position)
    LEFT JOIN (SELECT * FROM settled WHERE position BETWEEN $first AND $last) AS settled USING (position)
),
with_reason AS (
    SELECT
        *,
        CASE
            WHEN state IS NULL AND action = 'wait' THEN 'PLAN.EARLIER_REQUEST_UNSETTLED'
            WHEN state IS NULL OR state = 'withdrawn' THEN 'SUBMIT.NOT_ATTEMPTED'
            WHEN NOT same_content AND state = 'unknown' THEN 'PLAN.EARLIER_REQUEST_UNSETTLED'
            WHEN NOT same_content AND state = 'given_up' THEN 'PLAN.EARLIER_REQUEST_GIVEN_UP'
            WHEN NOT same_content AND state = 'refused' THEN 'SUBMIT.NOT_ATTEMPTED'
            WHEN state = 'never_created' AND (NOT same_content OR settled_by <> $run_id) THEN 'SUBMIT.NOT_ATTEMPTED'
            WHEN NOT same_content OR state = 'conflict' THEN 'SUBMIT.ALREADY_THERE_DIFFERENT'
            -- Given up before this plan: the request continues under the old key.
            WHEN state = 'unknown' OR (state = 'given_up' AND settled_by <> $run_id) THEN 'SUBMIT.IN_DOUBT'
            WHEN state IN ('given_up', 'never_created') THEN 'SUBMIT.GIVEN_UP'
            WHEN state = 'refused' THEN 'SUBMIT.REFUSED'
            -- Another run created it: each customer is `created` in one run only.
            WHEN state = 'pre_existing' OR settled_by <> $run_id THEN 'SUBMIT.ALREADY_THERE'
            WHEN state = 'created_different' THEN 'SUBMIT.ECHO_DIFFERS'
        END AS submitted_reason
    FROM joined
)
SELECT
    position,
    row_id,
    line_count,
    external_reference,
    origin_run,
    origin_row,
    currency,
    balance,
    balance_kind,
    same_as,
    CASE
        WHEN set_aside_fate IS NOT NULL THEN set_aside_fate
        WHEN action NOT IN ('create', 'wait') THEN planned_fate
        WHEN action IN ('create', 'wait') THEN CASE submitted_reason
            WHEN 'SUBMIT.NOT_ATTEMPTED' THEN 'not_attempted'
            WHEN 'PLAN.EARLIER_REQUEST_UNSETTLED' THEN 'in_doubt'
            WHEN 'PLAN.EARLIER_REQUEST_GIVEN_UP' THEN 'needs_review'
            WHEN 'SUBMIT.GIVEN_UP' THEN 'given_up'
            WHEN 'SUBMIT.ALREADY_THERE_DIFFERENT' THEN 'already_exists_different'
            WHEN 'SUBMIT.IN_DOUBT' THEN 'in_doubt'
            WHEN 'SUBMIT.REFUSED' THEN 'refused'
            WHEN 'SUBMIT.ALREADY_THERE' THEN 'already_exists_same'
            WHEN 'SUBMIT.ECHO_DIFFERS' THEN 'created_different'
            ELSE 'created'
        END
    END AS fate,
    CASE
        WHEN set_aside_fate IS NOT NULL THEN set_aside_reasons
        -- A row held or skipped for data of another reference lists everything that it shares.
        WHEN action NOT IN ('create', 'wait') AND len(flags) > 0 THEN flags
        WHEN action NOT IN ('create', 'wait') THEN [planned_reason]
        WHEN submitted_reason IS NOT NULL THEN list_prepend(submitted_reason, flags)
        ELSE flags
    END AS reasons,
    fingerprint,
    CASE WHEN action IN ('create', 'wait') THEN coalesce(CASE WHEN same_content THEN sent_key END, planned_key) END AS key,
    CASE WHEN same_content OR state = 'conflict' THEN billing_id END AS billing_id,
    CASE WHEN action IN ('create', 'wait') AND same_content THEN payable END AS payable,
    CASE WHEN action IN ('create', 'wait') AND same_content THEN detail END AS detail
FROM with_reason
ORDER BY position
