-- Schema 12: whose answers they are, found without reading every turn; and answers that nothing shows any more.

CREATE INDEX turns_by_answer_a ON turns (answer_a) WHERE answer_a IS NOT NULL;
CREATE INDEX turns_by_answer_b ON turns (answer_b) WHERE answer_b IS NOT NULL;
CREATE INDEX queue_turns_by_answer_a ON queue_turns (answer_a);
CREATE INDEX queue_turns_by_answer_b ON queue_turns (answer_b);
CREATE INDEX eval_calls_by_answer ON eval_calls (answer) WHERE answer IS NOT NULL;

-- Battles by their end, for retention; imported ones have no text.
CREATE INDEX battles_by_end ON battles (ended_ms) WHERE source <> 2 AND ended_ms IS NOT NULL;

-- Of turns that were asked again: their words stayed behind when a battle's text was erased.
UPDATE answers SET text = NULL, reasoning = NULL, refusal = NULL, request_id = NULL, sent = NULL
    WHERE NOT EXISTS (SELECT 1 FROM turns WHERE answer_a = answers.id)
    AND NOT EXISTS (SELECT 1 FROM turns WHERE answer_b = answers.id)
    AND NOT EXISTS (SELECT 1 FROM queue_turns WHERE answer_a = answers.id)
    AND NOT EXISTS (SELECT 1 FROM queue_turns WHERE answer_b = answers.id)
    AND NOT EXISTS (SELECT 1 FROM eval_calls WHERE answer = answers.id);
