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
