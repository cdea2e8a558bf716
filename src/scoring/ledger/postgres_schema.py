"""The schema of a ledger in PostgreSQL: tables, guards and rights, and the forward migrations that lead to them.

The same tables as in a file (`scoring.ledger.schema`), in a schema of their own, with two guards more. Rows are checked as a set
after each statement, which costs a bulk load little. And all work is done under the role ``scoring_ledger_writer``, which may insert
and read but not update, delete or truncate: only the owner, by dropping the guards first, could change what is written.
"""

from __future__ import annotations

from typing import Final

SCHEMA: Final = "scoring_ledger"
WRITER: Final = "scoring_ledger_writer"
"""A role without login. Grant it to the users that run the service: ``GRANT scoring_ledger_writer TO ...``."""

FUNCTIONS: Final = {
    "refuse_change": "BEGIN RAISE EXCEPTION 'append-only: nothing written is ever changed or deleted'; END",
    "refuse_linked_body": """
BEGIN
    IF EXISTS (SELECT 1 FROM scoring_ledger.records WHERE body_id = OLD.body_id) THEN
        RAISE EXCEPTION 'append-only: the body of a record is never deleted';
    END IF;
    RETURN OLD;
END
""",
    "check_links": """
DECLARE
    wrong bigint;
BEGIN
    SELECT min(seq) INTO wrong FROM (
        SELECT f.seq, f.prev_hash, f.body_id, before.hash AS last_hash
        FROM fresh f LEFT JOIN scoring_ledger.records before ON before.seq = f.seq - 1
    ) AS linked
    WHERE prev_hash IS DISTINCT FROM coalesce(last_hash, CASE WHEN seq = 1 THEN decode(repeat('00', 32), 'hex') END)
        OR NOT EXISTS (SELECT 1 FROM scoring_ledger.bodies b WHERE b.body_id = linked.body_id);
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: record % does not follow the last one, or has no body', wrong;
    END IF;
    RETURN NULL;
END
""",
}
"""Bodies of the trigger functions, by name."""

TRIGGERS: Final = {
    "records_are_never_changed": "BEFORE DELETE OR UPDATE ON {0}.records FOR EACH ROW EXECUTE FUNCTION {0}.refuse_change()",
    "records_are_never_truncated": "BEFORE TRUNCATE ON {0}.records FOR EACH STATEMENT EXECUTE FUNCTION {0}.refuse_change()",
    "records_are_linked": "AFTER INSERT ON {0}.records REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT "
    "EXECUTE FUNCTION {0}.check_links()",
    "bodies_are_never_updated": "BEFORE UPDATE ON {0}.bodies FOR EACH ROW EXECUTE FUNCTION {0}.refuse_change()",
    "bodies_are_never_deleted": "BEFORE DELETE ON {0}.bodies FOR EACH ROW EXECUTE FUNCTION {0}.refuse_linked_body()",
    "bodies_are_never_truncated": "BEFORE TRUNCATE ON {0}.bodies FOR EACH STATEMENT EXECUTE FUNCTION {0}.refuse_change()",
    "nodes_are_never_changed": "BEFORE DELETE OR UPDATE ON {0}.tree_nodes FOR EACH ROW EXECUTE FUNCTION {0}.refuse_change()",
    "nodes_are_never_truncated": "BEFORE TRUNCATE ON {0}.tree_nodes FOR EACH STATEMENT EXECUTE FUNCTION {0}.refuse_change()",
}
"""What follows ``CREATE TRIGGER name``, by name; ``{0}`` is the schema."""

INDEXES: Final = {
    "records_pkey": "",
    "records_record_id_key": "",
    "records_body_id_key": "",
    "bodies_pkey": "",
    "tree_nodes_pkey": "",
    "records_by_account": "CREATE INDEX records_by_account ON {0}.records (account_ref) WHERE account_ref IS NOT NULL",
    "records_about": "CREATE INDEX records_about ON {0}.records (about) WHERE about IS NOT NULL",
    "batch_closings": "CREATE UNIQUE INDEX batch_closings ON {0}.records (batch_id) WHERE kind = 'batch'",
}
"""Indexes by name; those without text come with a table."""

_TABLES: Final = """
CREATE TABLE {0}.schema_version (
    version     integer PRIMARY KEY,
    applied_at  timestamptz NOT NULL DEFAULT now()
);
CREATE SEQUENCE {0}.body_ids;
CREATE TABLE {0}.bodies (
    body_id     bigint PRIMARY KEY,
    body        text NOT NULL
);
CREATE TABLE {0}.records (
    seq         bigint PRIMARY KEY CHECK (seq > 0),
    record_id   text NOT NULL UNIQUE,
    kind        text NOT NULL,
    account_ref text,
    as_of       text,
    batch_id    text,
    about       text,
    recorded_at text NOT NULL,
    body_hash   bytea NOT NULL,
    prev_hash   bytea NOT NULL,
    hash        bytea NOT NULL,
    body_id     bigint NOT NULL UNIQUE
);
CREATE TABLE {0}.tree_nodes (
    level       integer NOT NULL,
    place       bigint NOT NULL,
    hash        bytea NOT NULL,
    PRIMARY KEY (level, place)
);
CREATE TABLE {0}.subjects (
    account_id  text PRIMARY KEY,
    ref         text NOT NULL UNIQUE,
    key         bytea NOT NULL
)
"""

_RIGHTS: Final = """
GRANT USAGE ON SCHEMA {0} TO {1};
GRANT SELECT, INSERT ON {0}.records, {0}.bodies, {0}.tree_nodes TO {1};
GRANT SELECT ON {0}.schema_version TO {1};
GRANT SELECT, INSERT, DELETE ON {0}.subjects TO {1};
GRANT USAGE ON SEQUENCE {0}.body_ids TO {1}
"""


def _version_1() -> list[str]:
    functions = [
        f"CREATE FUNCTION {{0}}.{name}() RETURNS trigger LANGUAGE plpgsql AS $body${text}$body$"
        for name, text in FUNCTIONS.items()
    ]
    indexes = [text for text in INDEXES.values() if text]
    triggers = [f"CREATE TRIGGER {name} {text}" for name, text in TRIGGERS.items()]
    statements = [*_TABLES.split(";"), *indexes, *functions, *triggers, *_RIGHTS.split(";")]
    return [statement.strip().replace("{0}", SCHEMA).replace("{1}", WRITER) for statement in statements]


MIGRATIONS: Final = (_version_1(),)
"""Statements that lead from each schema version to the next; what is published is never changed."""

FOUND_GUARDS: Final = r"""
SELECT 'trigger ' || t.tgname, regexp_replace(
        regexp_replace(pg_get_triggerdef(t.oid), '^CREATE TRIGGER [^ ]+ ', ''),
        'EXECUTE FUNCTION ([a-z_]+[(])', 'EXECUTE FUNCTION scoring_ledger.\1'
    ) || CASE t.tgenabled WHEN 'O' THEN '' ELSE ' (not enabled)' END
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'scoring_ledger' AND NOT t.tgisinternal
UNION ALL
SELECT 'function ' || p.proname, p.prosrc FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'scoring_ledger'
UNION ALL
SELECT 'index ' || c.relname, CASE WHEN i.indisvalid THEN 'valid' ELSE 'invalid' END
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class t ON t.oid = i.indrelid
WHERE n.nspname = 'scoring_ledger' AND t.relname IN ('records', 'bodies', 'tree_nodes')
UNION ALL
SELECT 'rule ' || r.rulename, 'added' FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'scoring_ledger'
UNION ALL
SELECT 'right ' || right_to || ' ' || name, 'granted to the writing role'
FROM unnest(ARRAY['records', 'bodies', 'tree_nodes']) AS name, unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS right_to
WHERE has_table_privilege('scoring_ledger_writer', 'scoring_ledger.' || name, right_to)
"""


def expected_guards() -> dict[str, str]:
    """Triggers, functions and indexes of a sound ledger, and no right to change anything.

    >>> "trigger records_are_linked" in expected_guards()
    True
    """
    triggers = {f"trigger {name}": text.replace("{0}", SCHEMA) for name, text in TRIGGERS.items()}
    functions = {f"function {name}": text for name, text in FUNCTIONS.items()}
    return {**triggers, **functions, **{f"index {name}": "valid" for name in INDEXES}}
