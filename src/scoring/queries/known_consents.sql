SELECT
  "t0"."account_id",
  "t0"."kind",
  "t0"."channel",
  "t0"."given_at",
  CASE
    WHEN (
      "t0"."withdrawn_at" IS NULL
    )
    OR (
      "t0"."withdrawn_at" < CAST(MAKE_DATE(1901, 2, 3) + INTERVAL '1' DAY AS TIMESTAMP)
    )
    THEN "t0"."withdrawn_at"
    ELSE CAST(NULL AS TIMESTAMP(6))
  END AS "withdrawn_at",
  "t0"."evidence_ref",
  "t0"."known_at"
FROM "consents" AS "t0"
WHERE
  "t0"."given_at" < CAST(MAKE_DATE(1901, 2, 3) + INTERVAL '1' DAY AS TIMESTAMP)
  AND (
    (
      "t0"."known_at" IS NULL
    )
    OR (
      "t0"."known_at" < CAST(MAKE_DATE(1901, 2, 3) + INTERVAL '1' DAY AS TIMESTAMP)
    )
  )
