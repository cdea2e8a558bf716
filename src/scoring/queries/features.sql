WITH "known_accounts" AS MATERIALIZED (
SELECT
  "t1"."account_id",
  "t1"."customer_id",
  "t1"."product",
  "t1"."opened_on",
  "t1"."credit_limit_cents",
  "t1"."currency",
  "t1"."region",
  "t1"."timezone",
  "t1"."channel_addresses",
  "t1"."known_at",
  ROW_NUMBER() OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) - 1 AS "account_no"
FROM (
  SELECT
    *
  FROM "accounts" AS "t0"
  WHERE
    "t0"."opened_on" <= MAKE_DATE(1901, 2, 3)
    AND (
      (
        "t0"."known_at" IS NULL
      )
      OR (
        "t0"."known_at" < CAST(MAKE_DATE(1901, 2, 3) + INTERVAL '1' DAY AS TIMESTAMP)
      )
    )
) AS "t1"
),
"known_statements" AS MATERIALIZED (
SELECT
  "t5"."statement_on",
  "t5"."due_on",
  "t5"."balance_cents",
  "t5"."minimum_due_cents",
  "t5"."purchases_cents",
  "t5"."cash_advances_cents",
  "t5"."interest_and_fees_cents",
  "t5"."reported_dpd",
  "t5"."known_at",
  "t3"."account_no"
FROM (
  SELECT
    *
  FROM "statements" AS "t0"
  WHERE
    "t0"."statement_on" <= MAKE_DATE(1901, 2, 3)
    AND (
      (
        "t0"."known_at" IS NULL
      )
      OR (
        "t0"."known_at" < CAST(MAKE_DATE(1901, 2, 3) + INTERVAL '1' DAY AS TIMESTAMP)
      )
    )
) AS "t5"
INNER JOIN (
  SELECT
    "t1"."account_id",
    "t1"."account_no"
  FROM "known_accounts" AS "t1"
) AS "t3"
  ON "t5"."account_id" = "t3"."account_id"
),
"known_payments" AS MATERIALIZED (
SELECT
  "t5"."payment_id",
  "t5"."paid_at",
  "t5"."amount_cents",
  "t5"."kind",
  "t5"."reversed_at",
  "t5"."reversal_known_at",
  "t5"."known_at",
  "t3"."account_no"
FROM (
  SELECT
    "t0"."payment_id",
    "t0"."account_id",
    "t0"."paid_at",
    "t0"."amount_cents",
    "t0"."kind",
    CASE
      WHEN (
        (
          "t0"."reversal_known_at" IS NULL
        )
        OR (
          "t0"."reversal_known_at" < CAST(MAKE_DATE(1901, 2, 3) + INTERVAL '1' DAY AS TIMESTAMP)
        )
      )
      AND (
        (
          "t0"."reversed_at" IS NULL
        )
        OR (
          "t0"."reversed_at" < CAST(MAKE_DATE(1901, 2, 3) + INTERVAL '1' DAY AS TIMESTAMP)
        )
      )
      THEN "t0"."reversed_at"
      ELSE CAST(NULL AS TIMESTAMP(6))
    END AS "reversed_at",
    CASE
      WHEN (
        (
          "t0"."reversal_known_at" IS NULL
        )
        OR (
          "t0"."reversal_known_at" < CAST(MAKE_DATE(1901, 2, 3) + INTERVAL '1' DAY AS TIMESTAMP)
        )
      )
      AND (
        (
          "t0"."reversed_at" IS NULL
        )
        OR (
          "t0"."reversed_at" < CAST(MAKE_DATE(1901, 2, 3) + INTERVAL '1' DAY AS TIMESTAMP)
        )
      )
      THEN "t0"."reversal_known_at"
      ELSE CAST(NULL AS TIMESTAMP(6))
    END AS "reversal_known_at",
    "t0"."known_at"
  FROM "payments" AS "t0"
  WHERE
    "t0"."paid_at" < CAST(MAKE_DATE(1901, 2, 3) + INTERVAL '1' DAY AS TIMESTAMP)
    AND (
      (
        "t0"."known_at" IS NULL
      )
      OR (
        "t0"."known_at" < CAST(MAKE_DATE(1901, 2, 3) + INTERVAL '1' DAY AS TIMESTAMP)
      )
    )
) AS "t5"
INNER JOIN (
  SELECT
    "t1"."account_id",
    "t1"."account_no"
  FROM "known_accounts" AS "t1"
) AS "t3"
  ON "t5"."account_id" = "t3"."account_id"
),
"billed" AS MATERIALIZED (
SELECT
  "t2"."statement_on",
  "t2"."due_on",
  "t2"."balance_cents",
  "t2"."minimum_due_cents",
  "t2"."purchases_cents",
  "t2"."cash_advances_cents",
  "t2"."interest_and_fees_cents",
  "t2"."reported_dpd",
  "t2"."known_at",
  "t2"."account_no",
  "t9"."first_paid_on",
  COALESCE("t9"."paid_cents", 0) AS "paid_cents",
  COALESCE("t9"."paid_by_due_cents", 0) AS "paid_by_due_cents",
  COALESCE("t9"."n_paid", 0) AS "n_paid"
FROM "known_statements" AS "t2"
LEFT OUTER JOIN (
  SELECT
    "t7"."account_no",
    "t7"."statement_on",
    SUM("t7"."amount_cents") AS "paid_cents",
    SUM("t7"."amount_cents") FILTER(WHERE
      "t7"."paid_on" <= "t7"."due_on") AS "paid_by_due_cents",
    COUNT(*) AS "n_paid",
    MIN("t7"."paid_on") AS "first_paid_on"
  FROM (
    SELECT
      "t4"."account_no",
      "t4"."paid_on",
      "t4"."amount_cents",
      "t6"."account_no" AS "account_no_right",
      "t6"."statement_on",
      "t6"."due_on",
      "t6"."next_on"
    FROM (
      SELECT
        "t1"."account_no",
        CAST("t1"."paid_at" AS DATE) AS "paid_on",
        "t1"."amount_cents"
      FROM "known_payments" AS "t1"
      WHERE
        "t1"."kind" IN ('voluntary', 'autopay') AND "t1"."reversed_at" IS NULL
    ) AS "t4"
    INNER JOIN (
      SELECT
        "t0"."account_no",
        "t0"."statement_on",
        "t0"."due_on",
        COALESCE(
          LEAD("t0"."statement_on", 1) OVER (
            PARTITION BY "t0"."account_no"
            ORDER BY "t0"."statement_on" ASC
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
          ),
          MAKE_DATE(9999, 12, 31)
        ) AS "next_on"
      FROM "known_statements" AS "t0"
    ) AS "t6"
      ON "t4"."account_no" = "t6"."account_no"
      AND "t4"."paid_on" >= "t6"."statement_on"
      AND "t4"."paid_on" < "t6"."next_on"
  ) AS "t7"
  GROUP BY
    1,
    2
) AS "t9"
  ON "t2"."account_no" = "t9"."account_no"
  AND "t2"."statement_on" = "t9"."statement_on"
),
"walked" AS MATERIALIZED (
SELECT
  "t3"."account_no",
  "t3"."statement_on",
  "t3"."due_on",
  "t3"."minimum_due_cents",
  "t3"."reported_dpd",
  "t3"."cycle_no",
  "t3"."required_cents",
  (
    "t3"."paid_so_far" - "t3"."paid_cents"
  ) - "t3"."excess" AS "covered_cents",
  "t3"."paid_so_far" - GREATEST("t3"."excess", "t3"."paid_so_far" - "t3"."required_cents") AS "covered_after_cents"
FROM (
  SELECT
    "t2"."account_no",
    "t2"."statement_on",
    "t2"."due_on",
    "t2"."minimum_due_cents",
    "t2"."reported_dpd",
    "t2"."paid_cents",
    "t2"."cycle_no",
    "t2"."required_cents",
    "t2"."paid_so_far",
    -(
      LEAST(
        MIN(
          (
            "t2"."required_cents" - COALESCE("t2"."minimum_due_cents", 0)
          ) - (
            "t2"."paid_so_far" - "t2"."paid_cents"
          )
        ) OVER (
          PARTITION BY "t2"."account_no"
          ORDER BY "t2"."statement_on" ASC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ),
        0
      )
    ) AS "excess"
  FROM (
    SELECT
      "t1"."account_no",
      "t1"."statement_on",
      "t1"."due_on",
      "t1"."minimum_due_cents",
      "t1"."reported_dpd",
      "t1"."paid_cents",
      COUNT(*) OVER (
        PARTITION BY "t1"."account_no"
        ORDER BY "t1"."statement_on" ASC
        ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
      ) AS "cycle_no",
      SUM(COALESCE("t1"."minimum_due_cents", 0)) OVER (
        PARTITION BY "t1"."account_no"
        ORDER BY "t1"."statement_on" ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS "required_cents",
      SUM("t1"."paid_cents") OVER (
        PARTITION BY "t1"."account_no"
        ORDER BY "t1"."statement_on" ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS "paid_so_far"
    FROM (
      SELECT
        "t0"."account_no",
        "t0"."statement_on",
        "t0"."due_on",
        "t0"."minimum_due_cents",
        "t0"."reported_dpd",
        "t0"."paid_cents"
      FROM "billed" AS "t0"
    ) AS "t1"
  ) AS "t2"
) AS "t3"
),
"placed" AS MATERIALIZED (
SELECT
  *
FROM (
  SELECT
    "t3"."account_no",
    "t8"."account_id",
    "t8"."customer_id",
    "t8"."opened_on",
    "t8"."credit_limit_cents",
    CASE
      WHEN "t3"."minimum_due_cents" IS NULL
      THEN CASE
        WHEN COALESCE("t3"."reported_dpd", 0) > 0
        THEN COALESCE("t3"."reported_dpd", 0) + DATE_DIFF('DAY', "t3"."statement_on", MAKE_DATE(1901, 2, 3))
        ELSE 0
      END
      ELSE COALESCE(DATE_DIFF('DAY', "t14"."oldest_overdue_on", MAKE_DATE(1901, 2, 3)), 0)
    END AS "dpd",
    CASE
      WHEN "t3"."minimum_due_cents" IS NULL
      THEN CASE
        WHEN COALESCE("t3"."reported_dpd", 0) > 0
        THEN GREATEST("t3"."balance_cents", 0)
        ELSE 0
      END
      ELSE "t14"."overdue_cents"
    END AS "past_due_cents",
    CASE
      WHEN "t3"."minimum_due_cents" IS NULL
      THEN GREATEST("t3"."balance_cents", 0)
      ELSE "t14"."open_cents"
    END AS "cure_amount_cents",
    CASE
      WHEN "t3"."minimum_due_cents" IS NULL
      THEN CAST(NULL AS BIGINT)
      ELSE "t14"."n_overdue"
    END AS "n_unpaid_minimums",
    "t3"."minimum_due_cents" AS "last_minimum_due_cents",
    "t3"."balance_cents",
    "t3"."statement_on",
    "t3"."due_on"
  FROM "billed" AS "t3"
  INNER JOIN (
    SELECT
      "t1"."account_no",
      "t1"."statement_on",
      "t1"."covered_after_cents" AS "covered"
    FROM "walked" AS "t1"
    WHERE
      "t1"."cycle_no" = 1
  ) AS "t9"
    ON "t3"."account_no" = "t9"."account_no"
    AND "t3"."statement_on" = "t9"."statement_on"
  INNER JOIN (
    SELECT
      "t12"."account_no",
      SUM("t12"."left_cents") AS "open_cents",
      COALESCE(SUM("t12"."left_cents") FILTER(WHERE
        "t12"."is_overdue"), 0) AS "overdue_cents",
      COUNT(*) FILTER(WHERE
        "t12"."is_overdue") AS "n_overdue",
      MIN("t12"."due_on") FILTER(WHERE
        "t12"."is_overdue") AS "oldest_overdue_on"
    FROM (
      SELECT
        "t11"."account_no",
        "t11"."statement_on",
        "t11"."due_on",
        "t11"."minimum_due_cents",
        "t11"."reported_dpd",
        "t11"."cycle_no",
        "t11"."required_cents",
        "t11"."covered_cents",
        "t11"."covered_after_cents",
        "t11"."covered",
        GREATEST(
          LEAST("t11"."required_cents" - "t11"."covered", COALESCE("t11"."minimum_due_cents", 0)),
          0
        ) AS "left_cents",
        (
          GREATEST(
            LEAST("t11"."required_cents" - "t11"."covered", COALESCE("t11"."minimum_due_cents", 0)),
            0
          ) > 0
        )
        AND (
          "t11"."due_on" < MAKE_DATE(1901, 2, 3)
        ) AS "is_overdue"
      FROM (
        SELECT
          "t4"."account_no",
          "t4"."statement_on",
          "t4"."due_on",
          "t4"."minimum_due_cents",
          "t4"."reported_dpd",
          "t4"."cycle_no",
          "t4"."required_cents",
          "t4"."covered_cents",
          "t4"."covered_after_cents",
          "t10"."covered"
        FROM "walked" AS "t4"
        INNER JOIN (
          SELECT
            "t1"."account_no",
            "t1"."covered_after_cents" AS "covered"
          FROM "walked" AS "t1"
          WHERE
            "t1"."cycle_no" = 1
        ) AS "t10"
          ON "t4"."account_no" = "t10"."account_no"
      ) AS "t11"
    ) AS "t12"
    GROUP BY
      1
  ) AS "t14"
    ON "t3"."account_no" = "t14"."account_no"
  INNER JOIN (
    SELECT
      "t2"."account_no",
      "t2"."account_id",
      "t2"."customer_id",
      "t2"."opened_on",
      "t2"."credit_limit_cents"
    FROM "known_accounts" AS "t2"
  ) AS "t8"
    ON "t3"."account_no" = "t8"."account_no"
) AS "t15"
WHERE
  "t15"."dpd" >= 19010203
),
"cycles" AS MATERIALIZED (
SELECT
  "t12"."account_no",
  "t12"."statement_on",
  "t12"."cycle_no",
  "t12"."credit_limit_cents",
  "t12"."dpd",
  "t12"."is_closed",
  "t12"."age_days",
  "t12"."dpd_before",
  "t6"."due_on",
  "t6"."balance_cents",
  "t6"."minimum_due_cents",
  "t6"."purchases_cents",
  "t6"."cash_advances_cents",
  "t6"."interest_and_fees_cents",
  "t6"."first_paid_on",
  "t6"."paid_cents",
  "t6"."paid_by_due_cents",
  "t6"."n_paid"
FROM (
  SELECT
    "t10"."account_no",
    "t10"."statement_on",
    "t10"."cycle_no",
    "t10"."credit_limit_cents",
    "t10"."dpd",
    "t10"."is_closed",
    "t10"."age_days",
    LAG("t10"."dpd", 1) OVER (
      PARTITION BY "t10"."account_no"
      ORDER BY "t10"."statement_on" ASC
      ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS "dpd_before"
  FROM (
    SELECT
      "t3"."account_no",
      "t3"."statement_on",
      "t3"."cycle_no",
      "t8"."credit_limit_cents",
      CASE
        WHEN "t3"."minimum_due_cents" IS NULL
        THEN "t3"."reported_dpd"
        ELSE GREATEST(COALESCE(DATE_DIFF('DAY', "t9"."oldest_due_on", "t3"."statement_on"), 0), 0)
      END AS "dpd",
      "t3"."cycle_no" > 1 AS "is_closed",
      DATE_DIFF('DAY', "t3"."statement_on", MAKE_DATE(1901, 2, 3)) AS "age_days"
    FROM "walked" AS "t3"
    INNER JOIN (
      SELECT
        "t2"."account_no",
        "t2"."credit_limit_cents"
      FROM "placed" AS "t2"
    ) AS "t8"
      ON "t3"."account_no" = "t8"."account_no"
    LEFT OUTER JOIN (
      SELECT
        "t1"."account_no" AS "minimum_of",
        "t1"."due_on" AS "oldest_due_on",
        "t1"."required_cents" - "t1"."minimum_due_cents" AS "paid_from",
        "t1"."required_cents" AS "paid_up_at"
      FROM "walked" AS "t1"
      WHERE
        "t1"."minimum_due_cents" > 0
    ) AS "t9"
      ON "t3"."account_no" = "t9"."minimum_of"
      AND "t3"."covered_cents" >= "t9"."paid_from"
      AND "t3"."covered_cents" < "t9"."paid_up_at"
  ) AS "t10"
) AS "t12"
INNER JOIN (
  SELECT
    "t0"."statement_on",
    "t0"."due_on",
    "t0"."balance_cents",
    "t0"."minimum_due_cents",
    "t0"."purchases_cents",
    "t0"."cash_advances_cents",
    "t0"."interest_and_fees_cents",
    "t0"."account_no",
    "t0"."first_paid_on",
    "t0"."paid_cents",
    "t0"."paid_by_due_cents",
    "t0"."n_paid"
  FROM "billed" AS "t0"
) AS "t6"
  ON "t12"."account_no" = "t6"."account_no"
  AND "t12"."statement_on" = "t6"."statement_on"
),
"arrears" AS MATERIALIZED (
SELECT
  "t0"."account_no",
  MAX("t0"."dpd") FILTER(WHERE
    "t0"."cycle_no" = 1) AS "dpd_at_last_statement",
  MAX("t0"."dpd") FILTER(WHERE
    "t0"."cycle_no" = 2) AS "dpd_1_cycle_ago",
  MAX("t0"."dpd") FILTER(WHERE
    "t0"."cycle_no" = 3) AS "dpd_2_cycles_ago",
  MAX("t0"."dpd") FILTER(WHERE
    "t0"."age_days" < 90) AS "worst_dpd_90d",
  MAX("t0"."dpd") FILTER(WHERE
    "t0"."age_days" < 180) AS "worst_dpd_180d",
  MAX("t0"."dpd") FILTER(WHERE
    "t0"."age_days" < 365) AS "worst_dpd_365d",
  COUNT(*) FILTER(WHERE
    (
      "t0"."dpd" > 0
    ) AND (
      "t0"."age_days" < 180
    )) AS "past_due_cycles_180d",
  COUNT(*) FILTER(WHERE
    (
      "t0"."dpd" > 0
    ) AND (
      "t0"."age_days" < 365
    )) AS "past_due_cycles_365d",
  COUNT(*) FILTER(WHERE
    (
      "t0"."dpd" > 0
    ) AND (
      "t0"."age_days" < 365
    )) / NULLIF(COUNT("t0"."dpd") FILTER(WHERE
    "t0"."age_days" < 365), 0) AS "past_due_share_365d",
  COALESCE(
    MIN("t0"."cycle_no") FILTER(WHERE
      NOT (
        COALESCE("t0"."dpd" > 0, FALSE)
      )),
    MAX("t0"."cycle_no") + 1
  ) - 1 AS "past_due_streak_cycles",
  COALESCE(
    MIN("t0"."cycle_no") FILTER(WHERE
      NOT (
        COALESCE("t0"."dpd" >= (
          "t0"."dpd_before" + 25
        ), FALSE)
      )),
    MAX("t0"."cycle_no") + 1
  ) - 1 AS "straight_roll_cycles",
  MIN("t0"."age_days") FILTER(WHERE
    "t0"."dpd" = 0) AS "days_since_current_statement",
  COUNT(*) FILTER(WHERE
    (
      "t0"."dpd" = 0
    )
    AND (
      "t0"."dpd_before" > 0
    )
    AND (
      "t0"."age_days" < 365
    )) AS "cures_365d",
  COUNT(*) FILTER(WHERE
    "t0"."age_days" < 365) AS "n_statements_365d",
  MIN("t0"."statement_on") AS "first_statement_on"
FROM "cycles" AS "t0"
GROUP BY
  1
),
"payment_cycles" AS MATERIALIZED (
SELECT
  "t0"."account_no",
  MAX(DATE_DIFF('DAY', "t0"."statement_on", "t0"."first_paid_on")) FILTER(WHERE
    "t0"."cycle_no" = 2) AS "days_to_first_payment_last_cycle",
  SUM(DATE_DIFF('DAY', "t0"."due_on", "t0"."first_paid_on")) FILTER(WHERE
    "t0"."is_closed"
    AND (
      GREATEST("t0"."balance_cents", 0) > 0
    )
    AND (
      "t0"."age_days" < 365
    )) / NULLIF(
    COUNT("t0"."first_paid_on") FILTER(WHERE
      "t0"."is_closed"
      AND (
        GREATEST("t0"."balance_cents", 0) > 0
      )
      AND (
        "t0"."age_days" < 365
      )),
    0
  ) AS "mean_days_payment_to_due_365d",
  COUNT(*) FILTER(WHERE
    "t0"."is_closed"
    AND (
      GREATEST("t0"."balance_cents", 0) > 0
    )
    AND (
      "t0"."age_days" < 365
    )
    AND (
      "t0"."minimum_due_cents" > 0
    )
    AND (
      "t0"."paid_by_due_cents" >= "t0"."minimum_due_cents"
    )) / NULLIF(
    COUNT(*) FILTER(WHERE
      "t0"."is_closed"
      AND (
        GREATEST("t0"."balance_cents", 0) > 0
      )
      AND (
        "t0"."age_days" < 365
      )
      AND (
        "t0"."minimum_due_cents" > 0
      )),
    0
  ) AS "paid_by_due_share_365d",
  COUNT(*) FILTER(WHERE
    "t0"."is_closed"
    AND (
      GREATEST("t0"."balance_cents", 0) > 0
    )
    AND (
      "t0"."age_days" < 365
    )
    AND (
      "t0"."is_closed" AND (
        "t0"."age_days" < 180
      )
    )
    AND (
      "t0"."n_paid" > 0
    )) / NULLIF(
    COUNT(*) FILTER(WHERE
      "t0"."is_closed"
      AND (
        GREATEST("t0"."balance_cents", 0) > 0
      )
      AND (
        "t0"."age_days" < 365
      )
      AND (
        "t0"."is_closed" AND (
          "t0"."age_days" < 180
        )
      )),
    0
  ) AS "paid_cycle_share_180d",
  COUNT(*) FILTER(WHERE
    "t0"."is_closed"
    AND (
      GREATEST("t0"."balance_cents", 0) > 0
    )
    AND (
      "t0"."age_days" < 365
    )
    AND (
      "t0"."n_paid" > 0
    )) / NULLIF(
    COUNT(*) FILTER(WHERE
      "t0"."is_closed"
      AND (
        GREATEST("t0"."balance_cents", 0) > 0
      )
      AND (
        "t0"."age_days" < 365
      )),
    0
  ) AS "paid_cycle_share_365d",
  COUNT(*) FILTER(WHERE
    "t0"."is_closed"
    AND (
      "t0"."age_days" < 180
    )
    AND (
      "t0"."n_paid" > 0
    )
    AND (
      "t0"."paid_cents" < "t0"."minimum_due_cents"
    )) AS "partial_cycles_180d",
  COUNT(*) FILTER(WHERE
    "t0"."is_closed"
    AND (
      GREATEST("t0"."balance_cents", 0) > 0
    )
    AND (
      "t0"."age_days" < 365
    )
    AND (
      (
        "t0"."paid_cents" * 100
      ) >= (
        GREATEST("t0"."balance_cents", 0) * 95
      )
    )) / NULLIF(
    COUNT(*) FILTER(WHERE
      "t0"."is_closed"
      AND (
        GREATEST("t0"."balance_cents", 0) > 0
      )
      AND (
        "t0"."age_days" < 365
      )),
    0
  ) AS "full_balance_share_365d",
  CASE
    WHEN NULLIF(MAX("t0"."cycle_no"), 1) IS NULL
    THEN NULL
    ELSE COALESCE(
      MIN("t0"."cycle_no") FILTER(WHERE
        "t0"."is_closed" AND NOT (
          "t0"."n_paid" > 0
        )),
      NULLIF(MAX("t0"."cycle_no"), 1) + 1
    ) - 2
  END AS "paid_streak_cycles",
  CASE
    WHEN NULLIF(MAX("t0"."cycle_no"), 1) IS NULL
    THEN NULL
    ELSE COALESCE(
      MIN("t0"."cycle_no") FILTER(WHERE
        "t0"."is_closed" AND (
          "t0"."n_paid" > 0
        )),
      NULLIF(MAX("t0"."cycle_no"), 1) + 1
    ) - 2
  END AS "unpaid_streak_cycles",
  SUM("t0"."paid_cents") FILTER(WHERE
    "t0"."cycle_no" = 2) / NULLIF(SUM(GREATEST("t0"."balance_cents", 0)) FILTER(WHERE
    "t0"."cycle_no" = 2), 0) AS "paid_to_balance_ratio_1_cycle",
  SUM("t0"."paid_cents") FILTER(WHERE
    "t0"."cycle_no" = 3) / NULLIF(SUM(GREATEST("t0"."balance_cents", 0)) FILTER(WHERE
    "t0"."cycle_no" = 3), 0) AS "paid_to_balance_ratio_2_cycles",
  SUM("t0"."paid_cents") FILTER(WHERE
    "t0"."is_closed" AND (
      "t0"."age_days" < 120
    )) / NULLIF(
    SUM(GREATEST("t0"."balance_cents", 0)) FILTER(WHERE
      "t0"."is_closed" AND (
        "t0"."age_days" < 120
      )),
    0
  ) AS "paid_to_balance_ratio_90d",
  SUM("t0"."paid_cents") FILTER(WHERE
    "t0"."is_closed"
    AND (
      GREATEST("t0"."balance_cents", 0) > 0
    )
    AND (
      "t0"."age_days" < 365
    )) / NULLIF(
    SUM(GREATEST("t0"."balance_cents", 0)) FILTER(WHERE
      "t0"."is_closed"
      AND (
        GREATEST("t0"."balance_cents", 0) > 0
      )
      AND (
        "t0"."age_days" < 365
      )),
    0
  ) AS "paid_to_balance_ratio_365d",
  MAX("t0"."paid_cents") FILTER(WHERE
    "t0"."cycle_no" = 2) AS "paid_cents_1_cycle",
  MAX("t0"."paid_cents") FILTER(WHERE
    "t0"."cycle_no" = 3) AS "paid_cents_2_cycles",
  SUM("t0"."minimum_due_cents") FILTER(WHERE
    (
      DATE_DIFF('DAY', "t0"."due_on", MAKE_DATE(1901, 2, 3)) >= 0
    )
    AND (
      DATE_DIFF('DAY', "t0"."due_on", MAKE_DATE(1901, 2, 3)) < 90
    )) AS "due_cents_90d",
  SUM("t0"."minimum_due_cents") FILTER(WHERE
    (
      DATE_DIFF('DAY', "t0"."due_on", MAKE_DATE(1901, 2, 3)) >= 0
    )
    AND (
      DATE_DIFF('DAY', "t0"."due_on", MAKE_DATE(1901, 2, 3)) < 180
    )) AS "due_cents_180d",
  SUM("t0"."minimum_due_cents") FILTER(WHERE
    (
      DATE_DIFF('DAY', "t0"."due_on", MAKE_DATE(1901, 2, 3)) >= 0
    )
    AND (
      DATE_DIFF('DAY', "t0"."due_on", MAKE_DATE(1901, 2, 3)) < 365
    )) AS "due_cents_365d"
FROM "cycles" AS "t0"
GROUP BY
  1
),
"balances" AS MATERIALIZED (
SELECT
  "t0"."account_no",
  MAX("t0"."balance_cents") FILTER(WHERE
    "t0"."cycle_no" = 2) AS "balance_cents_1_cycle_ago",
  MAX("t0"."balance_cents") FILTER(WHERE
    "t0"."cycle_no" = 3) AS "balance_cents_2_cycles_ago",
  MAX("t0"."balance_cents") FILTER(WHERE
    "t0"."cycle_no" = 1) / NULLIF(MAX("t0"."credit_limit_cents"), 0) AS "utilisation",
  MAX("t0"."balance_cents") FILTER(WHERE
    "t0"."cycle_no" = 2) / NULLIF(MAX("t0"."credit_limit_cents"), 0) AS "utilisation_1_cycle_ago",
  (
    MAX("t0"."balance_cents") FILTER(WHERE
      "t0"."cycle_no" = 1) - MAX("t0"."balance_cents") FILTER(WHERE
      "t0"."cycle_no" = 4)
  ) / NULLIF(MAX("t0"."credit_limit_cents"), 0) AS "utilisation_change_90d",
  SUM("t0"."balance_cents") FILTER(WHERE
    "t0"."age_days" < 180) / NULLIF(SUM("t0"."credit_limit_cents") FILTER(WHERE
    "t0"."age_days" < 180), 0) AS "mean_utilisation_180d",
  MAX("t0"."balance_cents") FILTER(WHERE
    "t0"."age_days" < 365) / NULLIF(MAX("t0"."credit_limit_cents"), 0) AS "highest_utilisation_365d",
  COUNT(*) FILTER(WHERE
    (
      "t0"."age_days" < 365
    )
    AND (
      "t0"."balance_cents" > "t0"."credit_limit_cents"
    )) AS "over_limit_cycles_365d",
  MAX("t0"."balance_cents") FILTER(WHERE
    "t0"."cycle_no" = 1) / NULLIF(GREATEST(MAX("t0"."balance_cents") FILTER(WHERE
    "t0"."cycle_no" = 4), 0), 0) AS "balance_trend_90d",
  MAX("t0"."purchases_cents") FILTER(WHERE
    "t0"."cycle_no" = 1) AS "purchases_cents_1_cycle",
  SUM("t0"."purchases_cents") FILTER(WHERE
    "t0"."age_days" < 180) AS "purchases_cents_180d",
  SUM("t0"."purchases_cents") FILTER(WHERE
    "t0"."age_days" < 90) / NULLIF(MAX("t0"."credit_limit_cents"), 0) AS "purchases_to_limit_ratio_90d",
  SUM("t0"."purchases_cents") FILTER(WHERE
    "t0"."age_days" < 90) / NULLIF(
    SUM("t0"."purchases_cents") FILTER(WHERE
      (
        "t0"."age_days" < 180
      ) AND NOT (
        "t0"."age_days" < 90
      )),
    0
  ) AS "purchase_trend_90d",
  SUM("t0"."cash_advances_cents") FILTER(WHERE
    "t0"."age_days" < 180) / NULLIF(
    SUM("t0"."purchases_cents") FILTER(WHERE
      "t0"."age_days" < 180) + SUM("t0"."cash_advances_cents") FILTER(WHERE
      "t0"."age_days" < 180),
    0
  ) AS "cash_advance_share_180d",
  SUM(CAST("t0"."cash_advances_cents" > 0 AS BIGINT)) FILTER(WHERE
    "t0"."age_days" < 365) AS "cash_advance_cycles_365d",
  (
    SUM("t0"."interest_and_fees_cents") FILTER(WHERE
      "t0"."age_days" < 90) * COUNT(*) FILTER(WHERE
      "t0"."age_days" < 90)
  ) / NULLIF(
    SUM("t0"."balance_cents") FILTER(WHERE
      (
        "t0"."age_days" < 90
      ) AND (
        "t0"."balance_cents" > 0
      )),
    0
  ) AS "charges_to_balance_ratio_90d",
  SUM("t0"."purchases_cents" * CAST("t0"."dpd" > 0 AS BIGINT)) FILTER(WHERE
    "t0"."age_days" < 180) AS "purchases_while_past_due_180d"
FROM "cycles" AS "t0"
GROUP BY
  1
),
"payment_amounts" AS MATERIALIZED (
SELECT
  "t13".*
  EXCLUDE ("account_no_right")
FROM (
  SELECT
    "t7"."account_no",
    "t12"."account_no" AS "account_no_right",
    "t12"."paid_cents_30d",
    "t12"."paid_cents_90d",
    "t12"."paid_cents_180d",
    "t12"."paid_cents_365d",
    "t12"."n_payments_30d",
    "t12"."n_payments_90d",
    "t12"."n_payments_180d",
    "t12"."n_payments_365d",
    "t12"."days_since_last_payment",
    "t12"."last_payment_cents",
    "t12"."largest_payment_cents_365d",
    "t12"."paid_cents_before_90d",
    "t12"."longest_payment_gap_days_365d",
    "t12"."mean_payment_gap_days_365d",
    "t12"."payment_spread_ratio_365d",
    "t12"."autopay_share_365d",
    "t12"."payment_trend_90d"
  FROM (
    SELECT DISTINCT
      *
    FROM (
      SELECT
        "t2"."account_no"
      FROM "known_payments" AS "t2"
      SEMI JOIN "placed" AS "t3"
        ON "t2"."account_no" = "t3"."account_no"
    ) AS "t4"
  ) AS "t7"
  LEFT OUTER JOIN (
    SELECT
      "t10"."account_no",
      "t10"."paid_cents_30d",
      "t10"."paid_cents_90d",
      "t10"."paid_cents_180d",
      "t10"."paid_cents_365d",
      "t10"."n_payments_30d",
      "t10"."n_payments_90d",
      "t10"."n_payments_180d",
      "t10"."n_payments_365d",
      "t10"."days_since_last_payment",
      "t10"."last_payment_cents",
      "t10"."largest_payment_cents_365d",
      "t10"."paid_cents_before_90d",
      "t10"."longest_payment_gap_days_365d",
      "t10"."mean_payment_gap_days_365d",
      "t10"."payment_spread_ratio_365d",
      "t10"."autopay_share_365d",
      COALESCE("t10"."paid_cents_90d", 0) / NULLIF("t10"."paid_cents_before_90d", 0) AS "payment_trend_90d"
    FROM (
      SELECT
        "t9"."account_no",
        SUM("t9"."amount_cents") FILTER(WHERE
          "t9"."age_days" < 30) AS "paid_cents_30d",
        SUM("t9"."amount_cents") FILTER(WHERE
          "t9"."age_days" < 90) AS "paid_cents_90d",
        SUM("t9"."amount_cents") FILTER(WHERE
          "t9"."age_days" < 180) AS "paid_cents_180d",
        SUM("t9"."amount_cents") FILTER(WHERE
          "t9"."age_days" < 365) AS "paid_cents_365d",
        COUNT(*) FILTER(WHERE
          "t9"."age_days" < 30) AS "n_payments_30d",
        COUNT(*) FILTER(WHERE
          "t9"."age_days" < 90) AS "n_payments_90d",
        COUNT(*) FILTER(WHERE
          "t9"."age_days" < 180) AS "n_payments_180d",
        COUNT(*) FILTER(WHERE
          "t9"."age_days" < 365) AS "n_payments_365d",
        MIN("t9"."age_days") AS "days_since_last_payment",
        MAX("t9"."amount_cents") FILTER(WHERE
          "t9"."is_on_last_day") AS "last_payment_cents",
        MAX("t9"."amount_cents") FILTER(WHERE
          "t9"."age_days" < 365) AS "largest_payment_cents_365d",
        SUM("t9"."amount_cents") FILTER(WHERE
          (
            "t9"."age_days" >= 90
          ) AND (
            "t9"."age_days" < 180
          )) AS "paid_cents_before_90d",
        MAX("t9"."gap_days") FILTER(WHERE
          "t9"."age_days" < 365) AS "longest_payment_gap_days_365d",
        SUM("t9"."gap_days") FILTER(WHERE
          "t9"."age_days" < 365) / NULLIF(COUNT("t9"."gap_days") FILTER(WHERE
          "t9"."age_days" < 365), 0) AS "mean_payment_gap_days_365d",
        (
          (
            MAX("t9"."amount_cents") FILTER(WHERE
              "t9"."age_days" < 365) - MIN("t9"."amount_cents") FILTER(WHERE
              "t9"."age_days" < 365)
          ) * COUNT(*) FILTER(WHERE
            "t9"."age_days" < 365)
        ) / NULLIF(SUM("t9"."amount_cents") FILTER(WHERE
          "t9"."age_days" < 365), 0) AS "payment_spread_ratio_365d",
        COUNT(*) FILTER(WHERE
          (
            "t9"."age_days" < 365
          ) AND (
            "t9"."kind" = 'autopay'
          )) / NULLIF(COUNT(*) FILTER(WHERE
          "t9"."age_days" < 365), 0) AS "autopay_share_365d"
      FROM (
        SELECT
          "t8"."payment_id",
          "t8"."paid_at",
          "t8"."amount_cents",
          "t8"."kind",
          "t8"."reversed_at",
          "t8"."reversal_known_at",
          "t8"."known_at",
          "t8"."account_no",
          "t8"."paid_on",
          "t8"."age_days",
          DATE_DIFF(
            'DAY',
            LAG("t8"."paid_on", 1) OVER (
              PARTITION BY "t8"."account_no"
              ORDER BY "t8"."paid_on" ASC
              ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
            ),
            "t8"."paid_on"
          ) AS "gap_days",
          "t8"."paid_on" = MAX("t8"."paid_on") OVER (
            PARTITION BY "t8"."account_no"
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
          ) AS "is_on_last_day"
        FROM (
          SELECT
            "t5"."payment_id",
            "t5"."paid_at",
            "t5"."amount_cents",
            "t5"."kind",
            "t5"."reversed_at",
            "t5"."reversal_known_at",
            "t5"."known_at",
            "t5"."account_no",
            CAST("t5"."paid_at" AS DATE) AS "paid_on",
            DATE_DIFF('DAY', CAST("t5"."paid_at" AS DATE), MAKE_DATE(1901, 2, 3)) AS "age_days"
          FROM (
            SELECT
              "t2"."payment_id",
              "t2"."paid_at",
              "t2"."amount_cents",
              "t2"."kind",
              "t2"."reversed_at",
              "t2"."reversal_known_at",
              "t2"."known_at",
              "t2"."account_no"
            FROM "known_payments" AS "t2"
            SEMI JOIN "placed" AS "t3"
              ON "t2"."account_no" = "t3"."account_no"
          ) AS "t5"
          WHERE
            "t5"."kind" IN ('voluntary', 'autopay') AND "t5"."reversed_at" IS NULL
        ) AS "t8"
      ) AS "t9"
      GROUP BY
        1
    ) AS "t10"
  ) AS "t12"
    ON "t7"."account_no" = "t12"."account_no"
) AS "t13"
),
"other_credits" AS MATERIALIZED (
SELECT
  "t5"."account_no",
  COUNT(*) FILTER(WHERE
    "t5"."returned_days" < 180) AS "n_reversals_180d",
  COUNT(*) FILTER(WHERE
    "t5"."returned_days" < 365) AS "n_reversals_365d",
  COALESCE(
    SUM("t5"."amount_cents") FILTER(WHERE
      NOT (
        "t5"."kind" IN ('voluntary', 'autopay')
      ) AND (
        "t5"."age_days" < 180
      )),
    0
  ) AS "other_credits_cents_180d"
FROM (
  SELECT
    "t4"."payment_id",
    "t4"."paid_at",
    "t4"."amount_cents",
    "t4"."kind",
    "t4"."reversed_at",
    "t4"."reversal_known_at",
    "t4"."known_at",
    "t4"."account_no",
    DATE_DIFF('DAY', CAST("t4"."paid_at" AS DATE), MAKE_DATE(1901, 2, 3)) AS "age_days",
    DATE_DIFF('DAY', CAST("t4"."reversed_at" AS DATE), MAKE_DATE(1901, 2, 3)) AS "returned_days"
  FROM (
    SELECT
      "t2"."payment_id",
      "t2"."paid_at",
      "t2"."amount_cents",
      "t2"."kind",
      "t2"."reversed_at",
      "t2"."reversal_known_at",
      "t2"."known_at",
      "t2"."account_no"
    FROM "known_payments" AS "t2"
    SEMI JOIN "placed" AS "t3"
      ON "t2"."account_no" = "t3"."account_no"
  ) AS "t4"
) AS "t5"
GROUP BY
  1
),
"promise_history" AS MATERIALIZED (
SELECT
  "t17"."account_no",
  COUNT(*) FILTER(WHERE
    "t17"."made_age" < 90) AS "n_promises_90d",
  COUNT(*) FILTER(WHERE
    "t17"."made_age" < 365) AS "n_promises_365d",
  COUNT(*) FILTER(WHERE
    (
      "t17"."due_age" > 0
    ) AND (
      "t17"."due_age" < 180
    ) AND "t17"."is_kept") / NULLIF(
    COUNT(*) FILTER(WHERE
      (
        "t17"."due_age" > 0
      ) AND (
        "t17"."due_age" < 180
      )),
    0
  ) AS "kept_promise_rate_180d",
  COUNT(*) FILTER(WHERE
    (
      "t17"."due_age" > 0
    )
    AND (
      "t17"."due_age" < 90
    )
    AND NOT (
      "t17"."is_kept"
    )) AS "broken_promises_90d",
  COUNT(*) FILTER(WHERE
    (
      "t17"."due_age" > 0
    )
    AND (
      "t17"."due_age" < 365
    )
    AND NOT (
      "t17"."is_kept"
    )) AS "broken_promises_365d",
  MIN("t17"."made_age") AS "days_since_last_promise",
  COALESCE(SUM("t17"."promised_cents") FILTER(WHERE
    "t17"."due_age" <= 0), 0) AS "open_promised_cents"
FROM (
  SELECT
    "t16"."account_no",
    "t16"."promise_id",
    "t16"."made_on",
    "t16"."due_on",
    "t16"."promised_cents",
    "t16"."paid_cents",
    DATE_DIFF('DAY', "t16"."due_on", MAKE_DATE(1901, 2, 3)) - 3 AS "due_age",
    DATE_DIFF('DAY', "t16"."made_on", MAKE_DATE(1901, 2, 3)) AS "made_age",
    (
      "t16"."paid_cents" * 100
    ) >= (
      "t16"."promised_cents" * 90
    ) AS "is_kept"
  FROM (
    SELECT
      "t15"."account_no",
      "t15"."promise_id",
      "t15"."made_on",
      "t15"."due_on",
      "t15"."promised_cents",
      COALESCE(
        SUM("t15"."amount_cents") FILTER(WHERE
          (
            DATE_DIFF('DAY', "t15"."made_on", "t15"."paid_on") >= 0
          )
          AND (
            DATE_DIFF('DAY', "t15"."made_on", "t15"."paid_on") <= "t15"."last_day"
          )),
        0
      ) AS "paid_cents"
    FROM (
      SELECT
        "t14"."promise_id",
        "t14"."made_at",
        "t14"."promised_cents",
        "t14"."due_on",
        "t14"."channel",
        "t14"."known_at",
        "t14"."account_no",
        "t14"."made_on",
        "t14"."last_day",
        "t11"."account_no" AS "account_no_right",
        "t11"."paid_on",
        "t11"."amount_cents"
      FROM (
        SELECT
          "t12"."promise_id",
          "t12"."made_at",
          "t12"."promised_cents",
          "t12"."due_on",
          "t12"."channel",
          "t12"."known_at",
          "t12"."account_no",
          CAST("t12"."made_at" AS DATE) AS "made_on",
          DATE_DIFF('DAY', CAST("t12"."made_at" AS DATE), "t12"."due_on") + 3 AS "last_day"
        FROM (
          SELECT
            "t9"."promise_id",
            "t9"."made_at",
            "t9"."promised_cents",
            "t9"."due_on",
            "t9"."channel",
            "t9"."known_at",
            "t6"."account_no"
          FROM (
            SELECT
              *
            FROM "promises" AS "t0"
            WHERE
              "t0"."made_at" < CAST(MAKE_DATE(1901, 2, 3) + INTERVAL '1' DAY AS TIMESTAMP)
              AND (
                (
                  "t0"."known_at" IS NULL
                )
                OR (
                  "t0"."known_at" < CAST(MAKE_DATE(1901, 2, 3) + INTERVAL '1' DAY AS TIMESTAMP)
                )
              )
          ) AS "t9"
          INNER JOIN (
            SELECT
              "t2"."account_id",
              "t2"."account_no"
            FROM "placed" AS "t2"
          ) AS "t6"
            ON "t9"."account_id" = "t6"."account_id"
        ) AS "t12"
      ) AS "t14"
      LEFT OUTER JOIN (
        SELECT
          "t7"."account_no",
          CAST("t7"."paid_at" AS DATE) AS "paid_on",
          "t7"."amount_cents"
        FROM (
          SELECT
            "t3"."payment_id",
            "t3"."paid_at",
            "t3"."amount_cents",
            "t3"."kind",
            "t3"."reversed_at",
            "t3"."reversal_known_at",
            "t3"."known_at",
            "t3"."account_no"
          FROM "known_payments" AS "t3"
          SEMI JOIN "placed" AS "t4"
            ON "t3"."account_no" = "t4"."account_no"
        ) AS "t7"
        WHERE
          "t7"."kind" IN ('voluntary', 'autopay') AND "t7"."reversed_at" IS NULL
      ) AS "t11"
        ON "t14"."account_no" = "t11"."account_no"
    ) AS "t15"
    GROUP BY
      1,
      2,
      3,
      4,
      5
  ) AS "t16"
) AS "t17"
GROUP BY
  1
),
"contact_history" AS MATERIALIZED (
SELECT
  "t7"."account_no",
  COUNT(*) FILTER(WHERE
    (
      "t7"."direction" = 'outbound'
    ) AND (
      "t7"."age_days" < 30
    )) AS "n_outbound_30d",
  COUNT(*) FILTER(WHERE
    (
      "t7"."direction" = 'outbound'
    ) AND (
      "t7"."age_days" < 90
    )) AS "n_outbound_90d",
  COUNT(*) FILTER(WHERE
    (
      "t7"."direction" = 'outbound'
    )
    AND "t7"."channel" IN ('ai_voice', 'agent_call')
    AND (
      "t7"."age_days" < 30
    )) AS "n_calls_30d",
  COUNT(*) FILTER(WHERE
    "t7"."outcome" IN ('conversation', 'met') AND (
      "t7"."age_days" < 90
    )) AS "n_conversations_90d",
  COUNT(*) FILTER(WHERE
    (
      "t7"."direction" = 'outbound'
    )
    AND "t7"."channel" IN ('ai_voice', 'agent_call')
    AND "t7"."outcome" IN ('conversation', 'met')
    AND (
      "t7"."age_days" < 90
    )) / NULLIF(
    COUNT(*) FILTER(WHERE
      (
        "t7"."direction" = 'outbound'
      )
      AND "t7"."channel" IN ('ai_voice', 'agent_call')
      AND (
        "t7"."age_days" < 90
      )),
    0
  ) AS "call_answer_share_90d",
  COUNT(*) FILTER(WHERE
    (
      "t7"."direction" = 'outbound'
    )
    AND "t7"."channel" IN ('sms', 'app_push', 'email')
    AND (
      "t7"."outcome" = 'read'
    )
    AND (
      "t7"."age_days" < 90
    )) / NULLIF(
    COUNT(*) FILTER(WHERE
      (
        "t7"."direction" = 'outbound'
      )
      AND "t7"."channel" IN ('sms', 'app_push', 'email')
      AND (
        "t7"."age_days" < 90
      )),
    0
  ) AS "message_read_share_90d",
  COUNT(*) FILTER(WHERE
    NOT (
      "t7"."direction" = 'outbound'
    ) AND (
      "t7"."age_days" < 180
    )) AS "n_inbound_180d",
  COUNT(*) FILTER(WHERE
    (
      "t7"."outcome" = 'refused'
    ) AND (
      "t7"."age_days" < 365
    )) AS "n_refused_365d",
  COUNT(*) FILTER(WHERE
    (
      "t7"."direction" = 'outbound'
    )
    AND "t7"."channel" IN ('ai_voice', 'agent_call')
    AND (
      "t7"."outcome" = 'not_connected'
    )
    AND (
      "t7"."age_days" < 180
    )) / NULLIF(
    COUNT(*) FILTER(WHERE
      (
        "t7"."direction" = 'outbound'
      )
      AND "t7"."channel" IN ('ai_voice', 'agent_call')
      AND (
        "t7"."age_days" < 180
      )),
    0
  ) AS "not_connected_share_180d",
  MIN("t7"."age_days") FILTER(WHERE
    "t7"."outcome" IN ('conversation', 'met')) AS "days_since_conversation",
  MIN("t7"."age_days") FILTER(WHERE
    "t7"."direction" = 'outbound') AS "days_since_outbound"
FROM (
  SELECT
    "t6"."contact_id",
    "t6"."contacted_at",
    "t6"."channel",
    "t6"."direction",
    "t6"."outcome",
    "t6"."recipient",
    "t6"."number_ref",
    "t6"."minutes",
    "t6"."cost_cents",
    "t6"."decision_id",
    "t6"."propensity",
    "t6"."known_at",
    "t6"."account_no",
    DATE_DIFF('DAY', CAST("t6"."contacted_at" AS DATE), MAKE_DATE(1901, 2, 3)) AS "age_days"
  FROM (
    SELECT
      "t5"."contact_id",
      "t5"."contacted_at",
      "t5"."channel",
      "t5"."direction",
      "t5"."outcome",
      "t5"."recipient",
      "t5"."number_ref",
      "t5"."minutes",
      "t5"."cost_cents",
      "t5"."decision_id",
      "t5"."propensity",
      "t5"."known_at",
      "t3"."account_no"
    FROM (
      SELECT
        *
      FROM "contacts" AS "t0"
      WHERE
        "t0"."contacted_at" < CAST(MAKE_DATE(1901, 2, 3) + INTERVAL '1' DAY AS TIMESTAMP)
        AND (
          (
            "t0"."known_at" IS NULL
          )
          OR (
            "t0"."known_at" < CAST(MAKE_DATE(1901, 2, 3) + INTERVAL '1' DAY AS TIMESTAMP)
          )
        )
    ) AS "t5"
    INNER JOIN (
      SELECT
        "t1"."account_id",
        "t1"."account_no"
      FROM "placed" AS "t1"
    ) AS "t3"
      ON "t5"."account_id" = "t3"."account_id"
  ) AS "t6"
) AS "t7"
GROUP BY
  1
),
"inflow_history" AS MATERIALIZED (
SELECT
  "t1"."customer_id",
  COUNT(*) FILTER(WHERE
    "t1"."age_days" < 215) AS "inflow_months_seen_180d",
  SUM("t1"."inflow_cents") FILTER(WHERE
    "t1"."age_days" < 123) / NULLIF(COUNT(*) FILTER(WHERE
    "t1"."age_days" < 123), 0) AS "mean_inflow_cents_90d",
  (
    SUM("t1"."inflow_cents") FILTER(WHERE
      "t1"."age_days" < 123) * COUNT(*) FILTER(WHERE
      (
        "t1"."age_days" >= 123
      ) AND (
        "t1"."age_days" < 306
      ))
  ) / NULLIF(
    SUM("t1"."inflow_cents") FILTER(WHERE
      (
        "t1"."age_days" >= 123
      ) AND (
        "t1"."age_days" < 306
      )) * NULLIF(COUNT(*) FILTER(WHERE
      "t1"."age_days" < 123), 0),
    0
  ) AS "inflow_trend_90d",
  SUM("t1"."inflow_cents" - "t1"."essential_spend_cents") FILTER(WHERE
    "t1"."age_days" < 123) / NULLIF(
    COUNT("t1"."inflow_cents" - "t1"."essential_spend_cents") FILTER(WHERE
      "t1"."age_days" < 123),
    0
  ) AS "spare_inflow_cents_90d"
FROM (
  SELECT
    "t0"."customer_id",
    "t0"."month_on",
    "t0"."inflow_cents",
    "t0"."essential_spend_cents",
    "t0"."known_at",
    DATE_DIFF('DAY', "t0"."month_on", MAKE_DATE(1901, 2, 3)) AS "age_days"
  FROM "inflows" AS "t0"
  WHERE
    (
      "t0"."month_on" + INTERVAL '1' MONTH
    ) <= MAKE_DATE(1901, 2, 3)
    AND (
      (
        "t0"."known_at" IS NULL
      )
      OR (
        "t0"."known_at" < CAST(MAKE_DATE(1901, 2, 3) + INTERVAL '1' DAY AS TIMESTAMP)
      )
    )
) AS "t1"
GROUP BY
  1
),
"wide" AS MATERIALIZED (
SELECT
  "t32"."account_no",
  "t32"."account_id",
  "t32"."customer_id",
  "t32"."opened_on",
  "t32"."credit_limit_cents",
  "t32"."dpd",
  "t32"."past_due_cents",
  "t32"."cure_amount_cents",
  "t32"."n_unpaid_minimums",
  "t32"."last_minimum_due_cents",
  "t32"."balance_cents",
  "t32"."statement_on",
  "t32"."due_on",
  "t32"."is_charged_off",
  "t32"."is_deceased",
  "t32"."is_disputed",
  "t32"."is_on_kept_plan",
  "t11"."dpd_at_last_statement",
  "t11"."dpd_1_cycle_ago",
  "t11"."dpd_2_cycles_ago",
  "t11"."worst_dpd_90d",
  "t11"."worst_dpd_180d",
  "t11"."worst_dpd_365d",
  "t11"."past_due_cycles_180d",
  "t11"."past_due_cycles_365d",
  "t11"."past_due_share_365d",
  "t11"."past_due_streak_cycles",
  "t11"."straight_roll_cycles",
  "t11"."days_since_current_statement",
  "t11"."cures_365d",
  "t11"."n_statements_365d",
  "t11"."first_statement_on",
  "t12"."days_to_first_payment_last_cycle",
  "t12"."mean_days_payment_to_due_365d",
  "t12"."paid_by_due_share_365d",
  "t12"."paid_cycle_share_180d",
  "t12"."paid_cycle_share_365d",
  "t12"."partial_cycles_180d",
  "t12"."full_balance_share_365d",
  "t12"."paid_streak_cycles",
  "t12"."unpaid_streak_cycles",
  "t12"."paid_to_balance_ratio_1_cycle",
  "t12"."paid_to_balance_ratio_2_cycles",
  "t12"."paid_to_balance_ratio_90d",
  "t12"."paid_to_balance_ratio_365d",
  "t12"."paid_cents_1_cycle",
  "t12"."paid_cents_2_cycles",
  "t12"."due_cents_90d",
  "t12"."due_cents_180d",
  "t12"."due_cents_365d",
  "t13"."balance_cents_1_cycle_ago",
  "t13"."balance_cents_2_cycles_ago",
  "t13"."utilisation",
  "t13"."utilisation_1_cycle_ago",
  "t13"."utilisation_change_90d",
  "t13"."mean_utilisation_180d",
  "t13"."highest_utilisation_365d",
  "t13"."over_limit_cycles_365d",
  "t13"."balance_trend_90d",
  "t13"."purchases_cents_1_cycle",
  "t13"."purchases_cents_180d",
  "t13"."purchases_to_limit_ratio_90d",
  "t13"."purchase_trend_90d",
  "t13"."cash_advance_share_180d",
  "t13"."cash_advance_cycles_365d",
  "t13"."charges_to_balance_ratio_90d",
  "t13"."purchases_while_past_due_180d",
  "t14"."paid_cents_30d",
  "t14"."paid_cents_90d",
  "t14"."paid_cents_180d",
  "t14"."paid_cents_365d",
  "t14"."n_payments_30d",
  "t14"."n_payments_90d",
  "t14"."n_payments_180d",
  "t14"."n_payments_365d",
  "t14"."days_since_last_payment",
  "t14"."last_payment_cents",
  "t14"."largest_payment_cents_365d",
  "t14"."paid_cents_before_90d",
  "t14"."longest_payment_gap_days_365d",
  "t14"."mean_payment_gap_days_365d",
  "t14"."payment_spread_ratio_365d",
  "t14"."autopay_share_365d",
  "t14"."payment_trend_90d",
  "t15"."n_reversals_180d",
  "t15"."n_reversals_365d",
  "t15"."other_credits_cents_180d",
  "t16"."n_promises_90d",
  "t16"."n_promises_365d",
  "t16"."kept_promise_rate_180d",
  "t16"."broken_promises_90d",
  "t16"."broken_promises_365d",
  "t16"."days_since_last_promise",
  "t16"."open_promised_cents",
  "t17"."n_outbound_30d",
  "t17"."n_outbound_90d",
  "t17"."n_calls_30d",
  "t17"."n_conversations_90d",
  "t17"."call_answer_share_90d",
  "t17"."message_read_share_90d",
  "t17"."n_inbound_180d",
  "t17"."n_refused_365d",
  "t17"."not_connected_share_180d",
  "t17"."days_since_conversation",
  "t17"."days_since_outbound",
  "t18"."inflow_months_seen_180d",
  "t18"."mean_inflow_cents_90d",
  "t18"."inflow_trend_90d",
  "t18"."spare_inflow_cents_90d",
  "t22"."observed_promises",
  "t22"."observed_contacts"
FROM (
  SELECT
    "t30"."account_no",
    "t30"."account_id",
    "t30"."customer_id",
    "t30"."opened_on",
    "t30"."credit_limit_cents",
    "t30"."dpd",
    "t30"."past_due_cents",
    "t30"."cure_amount_cents",
    "t30"."n_unpaid_minimums",
    "t30"."last_minimum_due_cents",
    "t30"."balance_cents",
    "t30"."statement_on",
    "t30"."due_on",
    COALESCE("t30"."is_charged_off", FALSE) AS "is_charged_off",
    COALESCE("t30"."is_deceased", FALSE) AS "is_deceased",
    COALESCE("t30"."is_disputed", FALSE) AS "is_disputed",
    COALESCE("t30"."plan_signed", FALSE)
    AND NOT (
      COALESCE("t30"."plan_breached", FALSE)
    ) AS "is_on_kept_plan"
  FROM (
    SELECT
      "t19"."account_no",
      "t19"."account_id",
      "t19"."customer_id",
      "t19"."opened_on",
      "t19"."credit_limit_cents",
      "t19"."dpd",
      "t19"."past_due_cents",
      "t19"."cure_amount_cents",
      "t19"."n_unpaid_minimums",
      "t19"."last_minimum_due_cents",
      "t19"."balance_cents",
      "t19"."statement_on",
      "t19"."due_on",
      "t29"."is_charged_off",
      "t29"."is_deceased",
      "t29"."is_disputed",
      "t29"."plan_signed",
      "t29"."plan_breached"
    FROM "placed" AS "t19"
    LEFT OUTER JOIN (
      SELECT
        "t27"."account_no",
        BOOL_OR("t27"."kind" IN ('charged_off', 'sold')) AS "is_charged_off",
        BOOL_OR("t27"."kind" IN ('deceased')) AS "is_deceased",
        BOOL_OR("t27"."kind" IN ('dispute_open', 'fraud_suspected')) AS "is_disputed",
        BOOL_OR("t27"."kind" IN ('plan_signed')) AS "plan_signed",
        BOOL_OR("t27"."kind" IN ('plan_breached')) AS "plan_breached"
      FROM (
        SELECT
          *
        FROM (
          SELECT
            "t25"."kind",
            "t25"."from_at",
            "t25"."until_at",
            "t25"."evidence_ref",
            "t25"."known_at",
            "t23"."account_no"
          FROM (
            SELECT
              "t10"."account_id",
              "t10"."kind",
              "t10"."from_at",
              CASE
                WHEN (
                  "t10"."until_at" IS NULL
                )
                OR (
                  "t10"."until_at" < CAST(MAKE_DATE(1901, 2, 3) + INTERVAL '1' DAY AS TIMESTAMP)
                )
                THEN "t10"."until_at"
                ELSE CAST(NULL AS TIMESTAMP(6))
              END AS "until_at",
              "t10"."evidence_ref",
              "t10"."known_at"
            FROM "standings" AS "t10"
            WHERE
              "t10"."from_at" < CAST(MAKE_DATE(1901, 2, 3) + INTERVAL '1' DAY AS TIMESTAMP)
              AND (
                (
                  "t10"."known_at" IS NULL
                )
                OR (
                  "t10"."known_at" < CAST(MAKE_DATE(1901, 2, 3) + INTERVAL '1' DAY AS TIMESTAMP)
                )
              )
          ) AS "t25"
          INNER JOIN (
            SELECT
              "t9"."account_id",
              "t9"."account_no"
            FROM "placed" AS "t9"
          ) AS "t23"
            ON "t25"."account_id" = "t23"."account_id"
        ) AS "t26"
        WHERE
          "t26"."until_at" IS NULL
      ) AS "t27"
      GROUP BY
        1
    ) AS "t29"
      ON "t19"."account_no" = "t29"."account_no"
  ) AS "t30"
) AS "t32"
LEFT OUTER JOIN "arrears" AS "t11"
  ON "t32"."account_no" = "t11"."account_no"
LEFT OUTER JOIN "payment_cycles" AS "t12"
  ON "t32"."account_no" = "t12"."account_no"
LEFT OUTER JOIN "balances" AS "t13"
  ON "t32"."account_no" = "t13"."account_no"
LEFT OUTER JOIN "payment_amounts" AS "t14"
  ON "t32"."account_no" = "t14"."account_no"
LEFT OUTER JOIN "other_credits" AS "t15"
  ON "t32"."account_no" = "t15"."account_no"
LEFT OUTER JOIN "promise_history" AS "t16"
  ON "t32"."account_no" = "t16"."account_no"
LEFT OUTER JOIN "contact_history" AS "t17"
  ON "t32"."account_no" = "t17"."account_no"
LEFT OUTER JOIN "inflow_history" AS "t18"
  ON "t32"."customer_id" = "t18"."customer_id"
CROSS JOIN (
  SELECT
    "t8"."promises" AS "observed_promises",
    "t8"."contacts" AS "observed_contacts"
  FROM "observed" AS "t8"
) AS "t22"
)
SELECT
  "t0"."account_id",
  "t0"."customer_id",
  "t0"."dpd" AS "position_dpd",
  CAST(CAST("t0"."past_due_cents" AS DECIMAL(18, 0)) AS BIGINT) AS "position_past_due_cents",
  CAST(CAST("t0"."cure_amount_cents" AS DECIMAL(18, 0)) AS BIGINT) AS "position_cure_amount_cents",
  "t0"."last_minimum_due_cents" AS "position_last_minimum_due_cents",
  "t0"."balance_cents" AS "position_balance_cents",
  "t0"."statement_on" AS "position_statement_on",
  "t0"."is_charged_off" AS "position_is_charged_off",
  "t0"."is_deceased" AS "position_is_deceased",
  "t0"."is_disputed" AS "position_is_disputed",
  "t0"."is_on_kept_plan" AS "position_is_on_kept_plan",
  CAST("t0"."dpd" AS REAL) AS "feature_dpd",
  CAST("t0"."n_unpaid_minimums" AS REAL) AS "feature_n_unpaid_minimums",
  CAST("t0"."past_due_cents" AS REAL) AS "feature_past_due_cents",
  CAST(DATE_DIFF('DAY', "t0"."due_on", MAKE_DATE(1901, 2, 3)) AS REAL) AS "feature_days_since_due",
  CAST("t0"."dpd_1_cycle_ago" AS REAL) AS "feature_dpd_1_cycle_ago",
  CAST("t0"."dpd_2_cycles_ago" AS REAL) AS "feature_dpd_2_cycles_ago",
  CAST("t0"."dpd_at_last_statement" AS REAL) AS "feature_dpd_at_last_statement",
  CAST("t0"."worst_dpd_90d" AS REAL) AS "feature_worst_dpd_90d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 180
    )
    THEN "t0"."worst_dpd_180d"
    ELSE NULL
  END AS REAL) AS "feature_worst_dpd_180d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 365
    )
    THEN "t0"."worst_dpd_365d"
    ELSE NULL
  END AS REAL) AS "feature_worst_dpd_365d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 180
    )
    THEN "t0"."past_due_cycles_180d"
    ELSE NULL
  END AS REAL) AS "feature_past_due_cycles_180d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 365
    )
    THEN "t0"."past_due_cycles_365d"
    ELSE NULL
  END AS REAL) AS "feature_past_due_cycles_365d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 365
    )
    THEN "t0"."past_due_share_365d"
    ELSE NULL
  END AS REAL) AS "feature_past_due_share_365d",
  CAST("t0"."past_due_streak_cycles" AS REAL) AS "feature_past_due_streak_cycles",
  CAST("t0"."straight_roll_cycles" AS REAL) AS "feature_straight_roll_cycles",
  CAST("t0"."days_since_current_statement" AS REAL) AS "feature_days_since_current_statement",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 365
    )
    THEN "t0"."cures_365d"
    ELSE NULL
  END AS REAL) AS "feature_cures_365d",
  CAST(DATE_DIFF('DAY', "t0"."opened_on", MAKE_DATE(1901, 2, 3)) AS REAL) AS "feature_account_age_days",
  CAST("t0"."n_statements_365d" AS REAL) AS "feature_n_statements_365d",
  CAST(COALESCE("t0"."paid_cents_30d", 0) AS REAL) AS "feature_paid_cents_30d",
  CAST(COALESCE("t0"."paid_cents_90d", 0) AS REAL) AS "feature_paid_cents_90d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 180
    )
    THEN COALESCE("t0"."paid_cents_180d", 0)
    ELSE NULL
  END AS REAL) AS "feature_paid_cents_180d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 365
    )
    THEN COALESCE("t0"."paid_cents_365d", 0)
    ELSE NULL
  END AS REAL) AS "feature_paid_cents_365d",
  CAST(COALESCE("t0"."n_payments_30d", 0) AS REAL) AS "feature_n_payments_30d",
  CAST(COALESCE("t0"."n_payments_90d", 0) AS REAL) AS "feature_n_payments_90d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 180
    )
    THEN COALESCE("t0"."n_payments_180d", 0)
    ELSE NULL
  END AS REAL) AS "feature_n_payments_180d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 365
    )
    THEN COALESCE("t0"."n_payments_365d", 0)
    ELSE NULL
  END AS REAL) AS "feature_n_payments_365d",
  CAST(COALESCE("t0"."paid_cents_90d", 0) / NULLIF("t0"."due_cents_90d", 0) AS REAL) AS "feature_paid_to_due_ratio_90d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 180
    )
    THEN COALESCE("t0"."paid_cents_180d", 0) / NULLIF("t0"."due_cents_180d", 0)
    ELSE NULL
  END AS REAL) AS "feature_paid_to_due_ratio_180d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 365
    )
    THEN COALESCE("t0"."paid_cents_365d", 0) / NULLIF("t0"."due_cents_365d", 0)
    ELSE NULL
  END AS REAL) AS "feature_paid_to_due_ratio_365d",
  CAST("t0"."days_since_last_payment" AS REAL) AS "feature_days_since_last_payment",
  CAST("t0"."last_payment_cents" AS REAL) AS "feature_last_payment_cents",
  CAST("t0"."last_payment_cents" / NULLIF("t0"."cure_amount_cents", 0) AS REAL) AS "feature_last_payment_to_cure_ratio",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 365
    )
    THEN "t0"."largest_payment_cents_365d" / NULLIF("t0"."cure_amount_cents", 0)
    ELSE NULL
  END AS REAL) AS "feature_largest_payment_to_cure_ratio_365d",
  CAST(COALESCE("t0"."paid_cents_90d", 0) / NULLIF("t0"."cure_amount_cents", 0) AS REAL) AS "feature_paid_to_cure_ratio_90d",
  CAST("t0"."payment_trend_90d" AS REAL) AS "feature_payment_trend_90d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 365
    )
    THEN "t0"."longest_payment_gap_days_365d"
    ELSE NULL
  END AS REAL) AS "feature_longest_payment_gap_days_365d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 365
    )
    THEN "t0"."mean_payment_gap_days_365d"
    ELSE NULL
  END AS REAL) AS "feature_mean_payment_gap_days_365d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 365
    )
    THEN "t0"."payment_spread_ratio_365d"
    ELSE NULL
  END AS REAL) AS "feature_payment_spread_ratio_365d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 365
    )
    THEN "t0"."autopay_share_365d"
    ELSE NULL
  END AS REAL) AS "feature_autopay_share_365d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 180
    )
    THEN COALESCE("t0"."n_reversals_180d", 0)
    ELSE NULL
  END AS REAL) AS "feature_n_reversals_180d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 365
    )
    THEN COALESCE("t0"."n_reversals_365d", 0)
    ELSE NULL
  END AS REAL) AS "feature_n_reversals_365d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 180
    )
    THEN COALESCE("t0"."other_credits_cents_180d", 0)
    ELSE NULL
  END AS REAL) AS "feature_other_credits_cents_180d",
  CAST("t0"."days_to_first_payment_last_cycle" AS REAL) AS "feature_days_to_first_payment_last_cycle",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 365
    )
    THEN "t0"."mean_days_payment_to_due_365d"
    ELSE NULL
  END AS REAL) AS "feature_mean_days_payment_to_due_365d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 365
    )
    THEN "t0"."paid_by_due_share_365d"
    ELSE NULL
  END AS REAL) AS "feature_paid_by_due_share_365d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 180
    )
    THEN "t0"."paid_cycle_share_180d"
    ELSE NULL
  END AS REAL) AS "feature_paid_cycle_share_180d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 365
    )
    THEN "t0"."paid_cycle_share_365d"
    ELSE NULL
  END AS REAL) AS "feature_paid_cycle_share_365d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 180
    )
    THEN COALESCE("t0"."partial_cycles_180d", 0)
    ELSE NULL
  END AS REAL) AS "feature_partial_cycles_180d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 365
    )
    THEN "t0"."full_balance_share_365d"
    ELSE NULL
  END AS REAL) AS "feature_full_balance_share_365d",
  CAST("t0"."paid_streak_cycles" AS REAL) AS "feature_paid_streak_cycles",
  CAST("t0"."unpaid_streak_cycles" AS REAL) AS "feature_unpaid_streak_cycles",
  CAST("t0"."paid_to_balance_ratio_1_cycle" AS REAL) AS "feature_paid_to_balance_ratio_1_cycle",
  CAST("t0"."paid_to_balance_ratio_2_cycles" AS REAL) AS "feature_paid_to_balance_ratio_2_cycles",
  CAST("t0"."paid_to_balance_ratio_90d" AS REAL) AS "feature_paid_to_balance_ratio_90d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 365
    )
    THEN "t0"."paid_to_balance_ratio_365d"
    ELSE NULL
  END AS REAL) AS "feature_paid_to_balance_ratio_365d",
  CAST("t0"."paid_cents_1_cycle" AS REAL) AS "feature_paid_cents_1_cycle",
  CAST("t0"."paid_cents_2_cycles" AS REAL) AS "feature_paid_cents_2_cycles",
  CAST("t0"."balance_cents" AS REAL) AS "feature_balance_cents",
  CAST("t0"."balance_cents_1_cycle_ago" AS REAL) AS "feature_balance_cents_1_cycle_ago",
  CAST("t0"."balance_cents_2_cycles_ago" AS REAL) AS "feature_balance_cents_2_cycles_ago",
  CAST("t0"."credit_limit_cents" AS REAL) AS "feature_credit_limit_cents",
  CAST("t0"."utilisation" AS REAL) AS "feature_utilisation",
  CAST("t0"."utilisation_1_cycle_ago" AS REAL) AS "feature_utilisation_1_cycle_ago",
  CAST("t0"."utilisation_change_90d" AS REAL) AS "feature_utilisation_change_90d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 180
    )
    THEN "t0"."mean_utilisation_180d"
    ELSE NULL
  END AS REAL) AS "feature_mean_utilisation_180d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 365
    )
    THEN "t0"."highest_utilisation_365d"
    ELSE NULL
  END AS REAL) AS "feature_highest_utilisation_365d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 365
    )
    THEN "t0"."over_limit_cycles_365d"
    ELSE NULL
  END AS REAL) AS "feature_over_limit_cycles_365d",
  CAST("t0"."balance_trend_90d" AS REAL) AS "feature_balance_trend_90d",
  CAST("t0"."cure_amount_cents" AS REAL) AS "feature_cure_amount_cents",
  CAST("t0"."cure_amount_cents" / NULLIF("t0"."credit_limit_cents", 0) AS REAL) AS "feature_cure_to_limit_ratio",
  CAST("t0"."cure_amount_cents" / NULLIF(GREATEST("t0"."balance_cents", 0), 0) AS REAL) AS "feature_cure_to_balance_ratio",
  CAST("t0"."cure_amount_cents" / NULLIF("t0"."last_minimum_due_cents", 0) AS REAL) AS "feature_cure_to_minimum_ratio",
  CAST("t0"."last_minimum_due_cents" AS REAL) AS "feature_last_minimum_due_cents",
  CAST("t0"."purchases_cents_1_cycle" AS REAL) AS "feature_purchases_cents_1_cycle",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 180
    )
    THEN "t0"."purchases_cents_180d"
    ELSE NULL
  END AS REAL) AS "feature_purchases_cents_180d",
  CAST("t0"."purchases_to_limit_ratio_90d" AS REAL) AS "feature_purchases_to_limit_ratio_90d",
  CAST("t0"."purchase_trend_90d" AS REAL) AS "feature_purchase_trend_90d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 180
    )
    THEN "t0"."cash_advance_share_180d"
    ELSE NULL
  END AS REAL) AS "feature_cash_advance_share_180d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 365
    )
    THEN "t0"."cash_advance_cycles_365d"
    ELSE NULL
  END AS REAL) AS "feature_cash_advance_cycles_365d",
  CAST("t0"."charges_to_balance_ratio_90d" AS REAL) AS "feature_charges_to_balance_ratio_90d",
  CAST(CASE
    WHEN (
      DATE_DIFF('DAY', "t0"."opened_on", "t0"."first_statement_on") <= 62
    )
    OR (
      (
        DATE_DIFF('DAY', "t0"."first_statement_on", MAKE_DATE(1901, 2, 3)) + 31
      ) >= 180
    )
    THEN "t0"."purchases_while_past_due_180d"
    ELSE NULL
  END AS REAL) AS "feature_purchases_while_past_due_180d",
  CAST(CASE
    WHEN "t0"."observed_promises"
    THEN COALESCE("t0"."n_promises_90d", 0)
    ELSE "t0"."n_promises_90d"
  END AS REAL) AS "feature_n_promises_90d",
  CAST(CASE
    WHEN "t0"."observed_promises"
    THEN COALESCE("t0"."n_promises_365d", 0)
    ELSE "t0"."n_promises_365d"
  END AS REAL) AS "feature_n_promises_365d",
  CAST("t0"."kept_promise_rate_180d" AS REAL) AS "feature_kept_promise_rate_180d",
  CAST(CASE
    WHEN "t0"."observed_promises"
    THEN COALESCE("t0"."broken_promises_90d", 0)
    ELSE "t0"."broken_promises_90d"
  END AS REAL) AS "feature_broken_promises_90d",
  CAST(CASE
    WHEN "t0"."observed_promises"
    THEN COALESCE("t0"."broken_promises_365d", 0)
    ELSE "t0"."broken_promises_365d"
  END AS REAL) AS "feature_broken_promises_365d",
  CAST("t0"."days_since_last_promise" AS REAL) AS "feature_days_since_last_promise",
  CAST(CASE
    WHEN "t0"."observed_promises"
    THEN COALESCE("t0"."open_promised_cents", 0)
    ELSE "t0"."open_promised_cents"
  END AS REAL) AS "feature_open_promised_cents",
  CAST(CASE
    WHEN "t0"."observed_contacts"
    THEN COALESCE("t0"."n_outbound_30d", 0)
    ELSE "t0"."n_outbound_30d"
  END AS REAL) AS "feature_n_outbound_30d",
  CAST(CASE
    WHEN "t0"."observed_contacts"
    THEN COALESCE("t0"."n_outbound_90d", 0)
    ELSE "t0"."n_outbound_90d"
  END AS REAL) AS "feature_n_outbound_90d",
  CAST(CASE
    WHEN "t0"."observed_contacts"
    THEN COALESCE("t0"."n_calls_30d", 0)
    ELSE "t0"."n_calls_30d"
  END AS REAL) AS "feature_n_calls_30d",
  CAST(CASE
    WHEN "t0"."observed_contacts"
    THEN COALESCE("t0"."n_conversations_90d", 0)
    ELSE "t0"."n_conversations_90d"
  END AS REAL) AS "feature_n_conversations_90d",
  CAST("t0"."call_answer_share_90d" AS REAL) AS "feature_call_answer_share_90d",
  CAST("t0"."message_read_share_90d" AS REAL) AS "feature_message_read_share_90d",
  CAST(CASE
    WHEN "t0"."observed_contacts"
    THEN COALESCE("t0"."n_inbound_180d", 0)
    ELSE "t0"."n_inbound_180d"
  END AS REAL) AS "feature_n_inbound_180d",
  CAST(CASE
    WHEN "t0"."observed_contacts"
    THEN COALESCE("t0"."n_refused_365d", 0)
    ELSE "t0"."n_refused_365d"
  END AS REAL) AS "feature_n_refused_365d",
  CAST("t0"."not_connected_share_180d" AS REAL) AS "feature_not_connected_share_180d",
  CAST("t0"."days_since_conversation" AS REAL) AS "feature_days_since_conversation",
  CAST("t0"."days_since_outbound" AS REAL) AS "feature_days_since_outbound",
  CAST("t0"."inflow_months_seen_180d" AS REAL) AS "feature_inflow_months_seen_180d",
  CAST("t0"."mean_inflow_cents_90d" AS REAL) AS "feature_mean_inflow_cents_90d",
  CAST("t0"."inflow_trend_90d" AS REAL) AS "feature_inflow_trend_90d",
  CAST("t0"."mean_inflow_cents_90d" / NULLIF("t0"."cure_amount_cents", 0) AS REAL) AS "feature_inflow_to_cure_ratio",
  CAST("t0"."spare_inflow_cents_90d" AS REAL) AS "feature_spare_inflow_cents_90d",
  CAST("t0"."spare_inflow_cents_90d" / NULLIF("t0"."cure_amount_cents", 0) AS REAL) AS "feature_spare_to_cure_ratio"
FROM "wide" AS "t0"
