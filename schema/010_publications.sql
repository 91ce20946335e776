-- Schema 10: which board voters see where figures are not live for everybody.

-- A moment of the store that an administrator published: boards are made of the votes up to `seq`, named by the
-- versions and read with the lists as they stood then; what stands beside a board is kept as it was. Appended only.
CREATE TABLE publications (
    id          INTEGER PRIMARY KEY,
    at_ms       INTEGER NOT NULL,
    actor       TEXT NOT NULL,
    note        TEXT NOT NULL,
    seq         INTEGER NOT NULL, -- 0: there were no votes
    hash        BLOB NOT NULL CHECK (length(hash) = 32), -- the ledger's at seq
    versions    INTEGER NOT NULL,
    judge       INTEGER NOT NULL,
    exclusions  INTEGER NOT NULL,
    tagger      INTEGER NOT NULL,
    tags        INTEGER NOT NULL,
    losses      INTEGER NOT NULL,
    reliability TEXT NOT NULL, -- JSON arrays and objects, as boards show them
    tagger_said TEXT,
    asked       INTEGER NOT NULL, -- what voters said when asked whether they recognised a model
    named_right INTEGER NOT NULL,
    named_wrong INTEGER NOT NULL,
    unnamed     INTEGER NOT NULL
) STRICT;
