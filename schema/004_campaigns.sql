-- Schema 4: campaigns (questions registered before their first vote, reports that are final), what of the queue is
-- taken, and what a voter really saw when.

CREATE TABLE campaigns (
    number          INTEGER PRIMARY KEY,
    id              TEXT NOT NULL UNIQUE,
    title           TEXT NOT NULL,
    question        TEXT NOT NULL, -- a JSON object (arena/people/question.h)
    cohort          TEXT,          -- who votes; NULL: everybody
    same_model_rate REAL NOT NULL CHECK (same_model_rate BETWEEN 0 AND 1),
    gold_rate       REAL NOT NULL CHECK (gold_rate BETWEEN 0 AND 1),
    state           INTEGER NOT NULL DEFAULT 0 CHECK (state IN (0, 1)), -- running, ended
    reason          TEXT,          -- why it ended
    report          TEXT,          -- the very bytes that are signed
    signature       BLOB CHECK (length(signature) = 64),
    public_key      BLOB CHECK (length(public_key) = 32),
    created_ms      INTEGER NOT NULL,
    ended_ms        INTEGER
) STRICT;

CREATE TRIGGER campaigns_are_registered BEFORE UPDATE OF id, title, question, cohort, same_model_rate, gold_rate,
    created_ms ON campaigns
BEGIN
    SELECT RAISE(ABORT, 'a registered question never changes');
END;
CREATE TRIGGER campaign_reports_are_final BEFORE UPDATE ON campaigns WHEN OLD.report IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'a campaign''s report is final');
END;
CREATE TRIGGER campaigns_stay BEFORE DELETE ON campaigns
BEGIN
    SELECT RAISE(ABORT, 'a registered question stays');
END;

-- How many people have a pair before them or voted on it: a queued battle is a reservation until it is over otherwise.
ALTER TABLE queue_items ADD COLUMN taken INTEGER NOT NULL DEFAULT 0;
CREATE INDEX queue_items_free ON queue_items (kind, campaign) WHERE taken < overlap;
CREATE TRIGGER queue_item_is_taken AFTER INSERT ON battles
    WHEN NEW.item IS NOT NULL AND NEW.state IN (1, 2)
        AND (SELECT kind FROM voters WHERE number = NEW.voter) = 0
BEGIN
    UPDATE queue_items SET taken = taken + 1 WHERE id = NEW.item;
END;
CREATE TRIGGER queue_item_is_free AFTER UPDATE OF state ON battles
    WHEN NEW.item IS NOT NULL AND OLD.state IN (1, 2) AND NEW.state > 2
        AND coalesce((SELECT kind FROM voters WHERE number = NEW.voter), 0) = 0
BEGIN
    UPDATE queue_items SET taken = taken - 1 WHERE id = NEW.item;
END;

ALTER TABLE turns ADD COLUMN shown_ms INTEGER; -- from the turn's start to the last byte shown, both lanes

-- How often a prompt was voted on here.
CREATE INDEX battles_by_prompt ON battles (prompt_value) WHERE source = 0;
