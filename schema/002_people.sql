-- Schema 2: invitations, keys for /v1, requests for them, consent, and what administrators did.

ALTER TABLE voters ADD COLUMN password TEXT; -- scrypt, with its parameters and salt (arena/people/passwords.h)

-- Links that may be used once. Only the token's SHA-256 is kept.
CREATE TABLE invitations (
    token_hash BLOB PRIMARY KEY CHECK (length(token_hash) = 32),
    role       INTEGER NOT NULL,
    cohort     TEXT,
    staff      INTEGER NOT NULL CHECK (staff IN (0, 1)),
    note       TEXT,
    for_voter  INTEGER REFERENCES voters (number) ON DELETE SET NULL, -- another link for a voter that exists
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    used_ms    INTEGER,
    used_by    INTEGER REFERENCES voters (number) ON DELETE SET NULL,
    revoked_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
    id                  TEXT PRIMARY KEY,
    token_hash          BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    name                TEXT NOT NULL,
    organisation        TEXT,
    contact             TEXT,
    requests_per_minute INTEGER NOT NULL,
    tokens_per_day      INTEGER NOT NULL,
    created_ms          INTEGER NOT NULL,
    expires_ms          INTEGER,
    revoked_ms          INTEGER
) STRICT, WITHOUT ROWID;

-- By day (Unix days, UTC).
CREATE TABLE api_usage (
    key           TEXT NOT NULL REFERENCES api_keys (id),
    day           INTEGER NOT NULL,
    requests      INTEGER NOT NULL,
    input_tokens  INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    PRIMARY KEY (key, day)
) STRICT, WITHOUT ROWID;

-- Who asked for a key, and what was decided. The requester sees the state with a token of their own.
CREATE TABLE access_requests (
    id           TEXT PRIMARY KEY,
    token_hash   BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    name         TEXT NOT NULL,
    email        TEXT NOT NULL,
    organisation TEXT,
    purpose      TEXT NOT NULL,
    state        TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'waiting', 'approved', 'refused')),
    reason       TEXT,
    key          TEXT REFERENCES api_keys (id),
    created_ms   INTEGER NOT NULL,
    decided_ms   INTEGER
) STRICT;
CREATE INDEX access_requests_by_state ON access_requests (state, created_ms);

-- What a voter agreed to: the newest row counts.
CREATE TABLE consents (
    id     INTEGER PRIMARY KEY,
    voter  INTEGER NOT NULL REFERENCES voters (number) ON DELETE CASCADE,
    notice TEXT NOT NULL, -- the version of the text that was shown
    scope  TEXT NOT NULL CHECK (scope IN ('inside', 'export', 'publish')),
    at_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX consents_by_voter ON consents (voter, id);

CREATE TABLE audit (
    id     INTEGER PRIMARY KEY,
    at_ms  INTEGER NOT NULL,
    actor  TEXT NOT NULL, -- a voter's id, or "command line"
    act    TEXT NOT NULL,
    detail TEXT
) STRICT;
