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
