-- Schema 13: what voters' requests ask for, found without reading whole tables.

CREATE INDEX voters_by_login ON voters (name) WHERE kind = 0 AND password IS NOT NULL;
CREATE INDEX exclusions_by_voter ON exclusions (voter, id);
