-- Schema 6: what rivals cost a day, and voters whose prompts stay with our own models.

-- By day (Unix days, UTC) and competitor; name '' is all of them. Held worst cases of answers under way are in it, so
-- that a process that dies leaves no budget too wide.
CREATE TABLE spending (
    day  INTEGER NOT NULL,
    name TEXT NOT NULL,
    usd  REAL NOT NULL,
    PRIMARY KEY (day, name)
) STRICT, WITHOUT ROWID;

ALTER TABLE consents ADD COLUMN in_house_only INTEGER NOT NULL DEFAULT 0 CHECK (in_house_only IN (0, 1));

-- 1: its voter let no rival have the prompt; `probability` is that of a draw among our own models.
ALTER TABLE battles ADD COLUMN in_house_only INTEGER NOT NULL DEFAULT 0 CHECK (in_house_only IN (0, 1));
