-- Schema 8: which evaluation makes a campaign's pairs, so that one registered while nobody serves, or just before the
-- power fails, begins when the arena does.

ALTER TABLE campaigns ADD COLUMN spec TEXT; -- arena/eval/spec.h; NULL: prompts of the voters' own alone
