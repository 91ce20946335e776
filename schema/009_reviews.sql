-- Schema 9: what somebody decided on battles in whose texts personal data was found. The newest row of a battle holds;
-- without one its texts are not exported.
CREATE TABLE reviews (
    id       INTEGER PRIMARY KEY,
    battle   INTEGER NOT NULL REFERENCES battles (number),
    released INTEGER NOT NULL CHECK (released IN (0, 1)),
    actor    TEXT NOT NULL,
    at_ms    INTEGER NOT NULL
) STRICT;
CREATE INDEX reviews_by_battle ON reviews (battle, id);
