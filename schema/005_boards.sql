-- Schema 5: who failed against whom, whose votes boards leave out, and what a model says that battles are about.

-- The side it failed on (0: A, 1: B) and whom it was drawn against; NULL where an older arena did not say.
ALTER TABLE incidents ADD COLUMN side INTEGER CHECK (side BETWEEN 0 AND 1);
ALTER TABLE incidents ADD COLUMN against INTEGER REFERENCES competitor_versions (id);
-- The order in which battles with incidents ended; NULL: not over, or skipped. A board names the last that it counts.
ALTER TABLE incidents ADD COLUMN closed INTEGER;
CREATE INDEX incidents_by_battle ON incidents (battle);
CREATE INDEX incidents_by_end ON incidents (closed) WHERE closed IS NOT NULL;

UPDATE incidents SET side = CASE WHEN b.version_a = incidents.version THEN 0 ELSE 1 END,
    against = CASE WHEN b.version_a = incidents.version THEN b.version_b ELSE b.version_a END
    FROM battles b WHERE b.number = incidents.battle AND incidents.kind = 0 AND b.version_a <> b.version_b
    AND incidents.version IN (b.version_a, b.version_b);
UPDATE incidents SET closed = id WHERE battle IN (SELECT number FROM battles WHERE state IN (2, 4, 5));

CREATE TRIGGER incidents_close AFTER UPDATE OF state ON battles WHEN NEW.state IN (2, 4, 5) AND OLD.state < 2
BEGIN
    UPDATE incidents SET closed = (SELECT coalesce(max(closed), 0) + 1 FROM incidents WHERE closed IS NOT NULL)
        WHERE battle = NEW.number;
END;

-- Votes of a voter that boards leave out from a time on. Appended only: the newest row of a voter holds.
CREATE TABLE exclusions (
    id      INTEGER PRIMARY KEY,
    voter   INTEGER NOT NULL REFERENCES voters (number),
    from_ms INTEGER, -- votes cast at it or later; NULL: taken back, all count again
    note    TEXT NOT NULL,
    actor   TEXT NOT NULL,
    at_ms   INTEGER NOT NULL
) STRICT;

-- Who tags: a competitor's version and how it is asked. The one chosen last is the one whose tags hold.
CREATE TABLE taggers (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    version    TEXT NOT NULL CHECK (length(version) = 64),
    method     TEXT NOT NULL,
    agreement  TEXT, -- with the labelled sample, a JSON object; NULL: not measured yet
    chosen     INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    UNIQUE (version, method)
) STRICT;

-- What a tagger said of a battle: members of category_tag. NULL: none of its answers had a form that counts.
CREATE TABLE battle_tags (
    id        INTEGER PRIMARY KEY,
    battle    INTEGER NOT NULL REFERENCES battles (number),
    tagger    INTEGER NOT NULL REFERENCES taggers (id),
    tags      TEXT,
    malformed INTEGER NOT NULL, -- answers that had no form that counts
    at_ms     INTEGER NOT NULL,
    UNIQUE (battle, tagger)
) STRICT;
