SELECT
  "t0"."account_id",
  "t0"."kind",
  "t0"."from_at",
  CASE
    WHEN (
      "t0"."until_at" IS NULL
    )
    OR (
      "t0"."until_at" < CAST(MAKE_DATE(1901, 2, 3) + INTERVAL '1' DAY AS TIMESTAMP)
    )
    THEN "t0"."until_at"
    ELSE CAST(NULL AS TIMESTAMP(6))
  END AS "until_at",
  "t0"."evidence_ref",
  "t0"."known_at"
FROM "standings" AS "t0"
WHERE
  "t0"."from_at" < CAST(MAKE_DATE(1901, 2, 3) + INTERVAL '1' DAY AS TIMESTAMP)
  AND (
    (
      "t0"."known_at" IS NULL
    )
    OR (
      "t0"."known_at" < CAST(MAKE_DATE(1901, 2, 3) + INTERVAL '1' DAY AS TIMESTAMP)
    )
  )
