-- Schema 7: what an approved request grants, until its holder fetches the key; voters who are told that boards leave
-- them out, and what they say to it.

ALTER TABLE access_requests ADD COLUMN requests_per_minute INTEGER NOT NULL DEFAULT 0; -- 0: no limit, as in api_keys
ALTER TABLE access_requests ADD COLUMN tokens_per_day INTEGER NOT NULL DEFAULT 0;
ALTER TABLE access_requests ADD COLUMN key_expires_ms INTEGER; -- NULL: never

ALTER TABLE exclusions ADD COLUMN told INTEGER NOT NULL DEFAULT 0 CHECK (told IN (0, 1));

-- One a voter: its last word.
CREATE TABLE appeals (
    voter INTEGER PRIMARY KEY REFERENCES voters (number) ON DELETE CASCADE,
    text  TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;
