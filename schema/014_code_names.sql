-- Schema 14: the names under which voters meet models that are not published yet.

-- What boards, reveals and lists for voters say instead of the name; NULL: the name itself. Kept where the model leaves
-- the configuration, so that leaving tells nothing.
ALTER TABLE competitors ADD COLUMN code_name TEXT;
