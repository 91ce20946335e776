-- Schema 1. Numbers that stand for words (states, winners, kinds) are the enums of arena/store/*.h, in their order.
-- Times are Unix milliseconds. Rows of competitor_versions and votes never change, but for what erasure forgets.

CREATE TABLE competitors (
    number            INTEGER PRIMARY KEY,
    name              TEXT NOT NULL UNIQUE,
    organisation      TEXT,
    licence           TEXT,
    in_house          INTEGER NOT NULL CHECK (in_house IN (0, 1)),
    outputs_may_train INTEGER NOT NULL CHECK (outputs_may_train IN (0, 1)),
    state             TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'retired')),
    created_ms        INTEGER NOT NULL
) STRICT;

-- Everything that shapes a competitor's answers, and the digest of it.
CREATE TABLE competitor_versions (
    id         INTEGER PRIMARY KEY,
    competitor INTEGER NOT NULL REFERENCES competitors (number),
    digest     TEXT NOT NULL CHECK (length(digest) = 64),
    effective  TEXT NOT NULL,
    imported   INTEGER NOT NULL CHECK (imported IN (0, 1)),
    created_ms INTEGER NOT NULL,
    UNIQUE (competitor, digest)
) STRICT;

CREATE TRIGGER versions_are_immutable BEFORE UPDATE ON competitor_versions
BEGIN
    SELECT RAISE(ABORT, 'a version never changes');
END;

-- Answers stand alone; `key` is the digest of what was asked (arena/store/answers.h).
CREATE TABLE answers (
    id                 INTEGER PRIMARY KEY,
    key                BLOB NOT NULL UNIQUE CHECK (length(key) = 32),
    version            INTEGER NOT NULL REFERENCES competitor_versions (id),
    text               TEXT,
    reasoning          TEXT,
    refusal            TEXT,
    finish             TEXT NOT NULL,
    error_class        TEXT,
    error_message      TEXT,
    input_tokens       INTEGER,
    output_tokens      INTEGER,
    reasoning_tokens   INTEGER,
    cached_tokens      INTEGER,
    cache_write_tokens INTEGER,
    cost_usd           REAL,
    model              TEXT,
    request_id         TEXT,
    sent               TEXT,
    attempts           INTEGER NOT NULL,
    first_content_ns   INTEGER NOT NULL,
    total_ns           INTEGER NOT NULL,
    created_ms         INTEGER NOT NULL
) STRICT;
CREATE INDEX answers_by_version ON answers (version, finish);

CREATE TABLE voters (
    number     INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    kind       INTEGER NOT NULL,
    role       INTEGER NOT NULL,
    name       TEXT,
    cohort     TEXT,
    staff      INTEGER NOT NULL DEFAULT 0 CHECK (staff IN (0, 1)),
    created_ms INTEGER NOT NULL
) STRICT;
-- A judge model or a voter of an imported file is known by its name.
CREATE UNIQUE INDEX voters_by_name ON voters (kind, name) WHERE kind <> 0;

-- What opens a voter: only the token's SHA-256 is kept.
CREATE TABLE voter_sessions (
    token_hash BLOB PRIMARY KEY CHECK (length(token_hash) = 32),
    voter      INTEGER NOT NULL REFERENCES voters (number) ON DELETE CASCADE,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX voter_sessions_by_voter ON voter_sessions (voter);

CREATE TABLE battles (
    number           INTEGER PRIMARY KEY,
    id               TEXT NOT NULL UNIQUE,
    voter            INTEGER REFERENCES voters (number),
    campaign         TEXT,
    state            INTEGER NOT NULL CHECK (state BETWEEN 0 AND 5),
    source           INTEGER NOT NULL CHECK (source BETWEEN 0 AND 2),
    mode             INTEGER NOT NULL CHECK (mode BETWEEN 0 AND 2),
    version_a        INTEGER NOT NULL REFERENCES competitor_versions (id),
    version_b        INTEGER NOT NULL REFERENCES competitor_versions (id),
    probability      REAL,
    side_probability REAL,
    nonce            BLOB,
    turns            INTEGER NOT NULL DEFAULT 0,
    self_identified  INTEGER NOT NULL DEFAULT 0 CHECK (self_identified IN (0, 1)),
    keep_private     INTEGER NOT NULL DEFAULT 0 CHECK (keep_private IN (0, 1)),
    revealed_ms      INTEGER,
    void_code        TEXT,
    prompt_value     INTEGER, -- equal opening prompts share it (votes_prompt_value)
    import_key       TEXT,    -- what makes an imported vote one vote for ever
    tags             TEXT,    -- language, category_tag, is_code, …: a JSON object with LMArena's names
    tokens_a         INTEGER, -- of the visible text, for style control
    headers_a        INTEGER,
    lists_a          INTEGER,
    bold_a           INTEGER,
    tokens_b         INTEGER,
    headers_b        INTEGER,
    lists_b          INTEGER,
    bold_b           INTEGER,
    created_ms       INTEGER NOT NULL,
    ended_ms         INTEGER
) STRICT;
CREATE INDEX battles_by_voter ON battles (voter, number) WHERE source <> 2;
CREATE INDEX battles_under_way ON battles (state, created_ms) WHERE state < 2;
CREATE INDEX battles_by_campaign ON battles (campaign) WHERE campaign IS NOT NULL;
CREATE UNIQUE INDEX battles_by_import_key ON battles (import_key) WHERE import_key IS NOT NULL;

CREATE TABLE turns (
    battle      INTEGER NOT NULL REFERENCES battles (number),
    turn        INTEGER NOT NULL CHECK (turn > 0),
    prompt      TEXT, -- NULL: erased
    answer_a    INTEGER REFERENCES answers (id),
    answer_b    INTEGER REFERENCES answers (id),
    first_ms_a  INTEGER,
    first_ms_b  INTEGER,
    ended_ms_a  INTEGER,
    ended_ms_b  INTEGER,
    released_ms INTEGER,
    created_ms  INTEGER NOT NULL,
    answered_ms INTEGER,
    PRIMARY KEY (battle, turn)
) STRICT;

-- The ledger (arena/store/ledger.h): what the hash covers, and the hash.
CREATE TABLE votes (
    seq            INTEGER PRIMARY KEY,
    battle         INTEGER NOT NULL REFERENCES battles (number),
    voter          INTEGER REFERENCES voters (number), -- NULL: erased, or unknown in an imported file
    winner         INTEGER NOT NULL CHECK (winner BETWEEN 0 AND 3),
    judge          INTEGER NOT NULL CHECK (judge BETWEEN 0 AND 1),
    counted        INTEGER NOT NULL,
    at_ms          INTEGER NOT NULL,
    turns          INTEGER NOT NULL,
    delay_ms       INTEGER,
    read_ms        INTEGER,
    salt           BLOB, -- NULL: text or voter erased
    voter_digest   BLOB NOT NULL,
    content_digest BLOB NOT NULL,
    prev_hash      BLOB NOT NULL,
    hash           BLOB NOT NULL,
    UNIQUE (battle, voter)
) STRICT;
CREATE INDEX votes_by_voter ON votes (voter, at_ms);

CREATE TRIGGER votes_are_final BEFORE UPDATE OF seq, battle, winner, judge, counted, at_ms, turns, voter_digest,
    content_digest, prev_hash, hash ON votes
BEGIN
    SELECT RAISE(ABORT, 'a vote is final');
END;
CREATE TRIGGER votes_stay BEFORE DELETE ON votes
BEGIN
    SELECT RAISE(ABORT, 'a vote is final');
END;

-- How many votes there are and the last one's hash: finds votes cut from the end.
CREATE TABLE ledger (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    votes INTEGER NOT NULL,
    head  BLOB NOT NULL
) STRICT;
INSERT INTO ledger VALUES (1, 0, zeroblob(32));

-- What a voter adds after the vote and before the names.
CREATE TABLE feedback (
    vote       INTEGER PRIMARY KEY REFERENCES votes (seq),
    reasons    TEXT,
    comment    TEXT,
    recognised TEXT,
    at_ms      INTEGER NOT NULL
) STRICT;

-- Voids, swaps and retries, counted beside the board.
CREATE TABLE incidents (
    id      INTEGER PRIMARY KEY,
    battle  INTEGER NOT NULL REFERENCES battles (number),
    version INTEGER NOT NULL REFERENCES competitor_versions (id),
    kind    INTEGER NOT NULL,
    code    TEXT,
    at_ms   INTEGER NOT NULL
) STRICT;

CREATE TABLE boards (
    id         INTEGER PRIMARY KEY,
    filter     TEXT NOT NULL,
    method     TEXT NOT NULL,
    data_hash  BLOB NOT NULL CHECK (length(data_hash) = 32),
    last_seq   INTEGER NOT NULL,
    seed       INTEGER NOT NULL,
    json       TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;

-- The replies given to requests that may come again.
CREATE TABLE idempotency (
    voter      TEXT NOT NULL,
    route      TEXT NOT NULL,
    key        TEXT NOT NULL,
    request    BLOB NOT NULL CHECK (length(request) = 32),
    status     INTEGER NOT NULL,
    reply      TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (voter, route, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_time ON idempotency (created_ms);
