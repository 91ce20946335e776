-- Schema 3: batch evaluations (arena/eval), and pairs of finished answers that wait to be voted on.

CREATE TABLE eval_runs (
    number     INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    spec       TEXT NOT NULL, -- as checked, every default filled in: a JSON object
    campaign   TEXT,          -- whose pairs it makes; NULL: none
    state      INTEGER NOT NULL,
    reason     TEXT,          -- why it stopped before its end
    progress   TEXT,          -- figures for whoever looks from outside: a JSON object
    active_ms  INTEGER NOT NULL DEFAULT 0, -- how long it was at work
    created_ms INTEGER NOT NULL,
    ended_ms   INTEGER
) STRICT;

-- The plan, stored before the first call: what is asked, of whom, and which answers meet.
CREATE TABLE eval_prompts (
    run       INTEGER NOT NULL REFERENCES eval_runs (number),
    prompt    INTEGER NOT NULL CHECK (prompt >= 0),
    source    TEXT,          -- its id in the file that it came from
    category  TEXT,
    system    TEXT,          -- NULL: each competitor's own
    turns     TEXT NOT NULL, -- a JSON array of what the user says
    reference TEXT,          -- a JSON array of good answers, one a turn
    chosen    INTEGER NOT NULL DEFAULT 0, -- 1: because the model lost on it, 2: to compare those with
    PRIMARY KEY (run, prompt)
) STRICT;

CREATE TABLE eval_sides (
    run     INTEGER NOT NULL REFERENCES eval_runs (number),
    judge   INTEGER NOT NULL CHECK (judge IN (0, 1)), -- 0: it answers, 1: it judges
    place   INTEGER NOT NULL CHECK (place >= 0),
    version INTEGER NOT NULL REFERENCES competitor_versions (id),
    PRIMARY KEY (run, judge, place)
) STRICT;

CREATE TABLE eval_pairs (
    run    INTEGER NOT NULL REFERENCES eval_runs (number),
    pair   INTEGER NOT NULL CHECK (pair >= 0),
    prompt INTEGER NOT NULL,
    sample INTEGER NOT NULL,
    side_a INTEGER NOT NULL, -- places; equal: sample 0 of a model against sample 1 of the same
    side_b INTEGER NOT NULL,
    PRIMARY KEY (run, pair),
    FOREIGN KEY (run, prompt) REFERENCES eval_prompts (run, prompt)
) STRICT;

-- Every call that was made and has ended: what it cost, and the answer or why there is none. The answers themselves
-- stand in `answers`, under a key of everything that shapes them.
CREATE TABLE eval_calls (
    id            INTEGER PRIMARY KEY,
    run           INTEGER NOT NULL REFERENCES eval_runs (number),
    judge         INTEGER NOT NULL,
    place         INTEGER NOT NULL,
    key           BLOB NOT NULL CHECK (length(key) = 32),
    answer        INTEGER REFERENCES answers (id), -- NULL: it failed
    error_class   TEXT,
    error_message TEXT,
    cost_usd      REAL,          -- NULL: unknown
    charged_usd   REAL NOT NULL, -- what the run's budget was charged: the worst case where the cost is unknown
    attempts      INTEGER NOT NULL,
    total_ns      INTEGER NOT NULL,
    forgiven      INTEGER NOT NULL DEFAULT 0 CHECK (forgiven IN (0, 1)), -- a failure that may be tried again
    at_ms         INTEGER NOT NULL
) STRICT;
CREATE INDEX eval_calls_by_run ON eval_calls (run);

-- Pairs of finished answers. A battle that shows one names it (battles.item); a person or a judge votes once on each.
CREATE TABLE queue_items (
    id         INTEGER PRIMARY KEY,
    run        INTEGER REFERENCES eval_runs (number), -- NULL: no run made it
    pair       INTEGER,                               -- of that run
    campaign   TEXT,
    kind       INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 2), -- a pair, one model twice, a pair with a known winner
    gold       INTEGER CHECK (gold BETWEEN 0 AND 3),  -- kind 2: the winner, for the sides as they stand here
    version_a  INTEGER NOT NULL REFERENCES competitor_versions (id),
    version_b  INTEGER NOT NULL REFERENCES competitor_versions (id),
    overlap    INTEGER NOT NULL CHECK (overlap >= 0), -- how many people shall vote on it; 0: it is for judges alone
    created_ms INTEGER NOT NULL,
    FOREIGN KEY (run, pair) REFERENCES eval_pairs (run, pair)
) STRICT;
CREATE UNIQUE INDEX queue_items_by_pair ON queue_items (run, pair) WHERE run IS NOT NULL;
CREATE INDEX queue_items_by_campaign ON queue_items (campaign) WHERE campaign IS NOT NULL;

CREATE TABLE queue_turns (
    item     INTEGER NOT NULL REFERENCES queue_items (id),
    turn     INTEGER NOT NULL CHECK (turn > 0),
    prompt   TEXT NOT NULL,
    answer_a INTEGER NOT NULL REFERENCES answers (id),
    answer_b INTEGER NOT NULL REFERENCES answers (id),
    PRIMARY KEY (item, turn)
) STRICT;

ALTER TABLE battles ADD COLUMN item INTEGER REFERENCES queue_items (id);
CREATE UNIQUE INDEX battles_by_item ON battles (item, voter) WHERE item IS NOT NULL;

-- The votes of judges that are models: the same judge, asked the same way, votes once on the same answers for ever.
CREATE TABLE eval_votes (
    key    BLOB PRIMARY KEY CHECK (length(key) = 32),
    battle INTEGER NOT NULL REFERENCES battles (number)
) STRICT, WITHOUT ROWID;
