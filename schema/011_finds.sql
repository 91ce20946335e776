-- Schema 11: what an in-house model took for personal data in texts that exports may let out.

-- Who looks: a competitor's version and how it is asked. Finds of the one with the greatest `chosen` hold texts back;
-- 0: none of them looks any more.
CREATE TABLE finders (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    version    TEXT NOT NULL CHECK (length(version) = 64),
    method     TEXT NOT NULL,
    chosen     INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    UNIQUE (version, method)
) STRICT;

-- A battle's texts that it was shown, once they were final; its feedback may come later, and is looked at again then.
CREATE TABLE searches (
    id        INTEGER PRIMARY KEY,
    battle    INTEGER NOT NULL REFERENCES battles (number),
    finder    INTEGER NOT NULL REFERENCES finders (id),
    feedback  INTEGER NOT NULL, -- feedback.at_ms of what was shown; 0: there was none
    patterns  INTEGER NOT NULL, -- what patterns found in the same texts (bits of arena/eval/personal.h)
    found     INTEGER NOT NULL, -- finds that stand in the text
    invented  INTEGER NOT NULL, -- finds that do not: dropped
    malformed INTEGER NOT NULL, -- answers that had no form that counts
    unread    INTEGER NOT NULL, -- bytes past what a model is shown of a battle
    at_ms     INTEGER NOT NULL,
    UNIQUE (battle, finder)
) STRICT;
CREATE INDEX searches_found ON searches (finder, battle) WHERE found > 0;

-- Where in a text: its words are not copied, so that they go when the text goes.
CREATE TABLE finds (
    search INTEGER NOT NULL REFERENCES searches (id) ON DELETE CASCADE,
    turn   INTEGER NOT NULL, -- 0: in the feedback
    part   INTEGER NOT NULL, -- enum search_part
    start  INTEGER NOT NULL, -- bytes
    length INTEGER NOT NULL,
    kind   INTEGER NOT NULL, -- enum personal_kind
    PRIMARY KEY (search, turn, part, start, length, kind)
) STRICT, WITHOUT ROWID;
