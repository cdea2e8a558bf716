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
