/* Categories are written in the filters' own language, so that a category is nothing a user could
 * not write. */
#include "board/select.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CRITERIA "category_tag.criteria_v0.1."
/* LMArena's names, and what they are called in its changelogs. A clause's alternatives are
 * separated by
 * |. */
static const struct {
    const char *name;
    const char *clauses[3];
} CATEGORIES[] = {
    {"overall", {NULL}},
    {"full", {NULL}},
    {"math", {"category_tag.math_v0.1.math=true"}},
    {"creative_writing", {"category_tag.creative_writing_v0.1.creative_writing=true"}},
    {"if", {"category_tag.if_v0.1.if=true"}},
    {"instruction_following", {"category_tag.if_v0.1.if=true"}},
    {"coding", {"is_code=true"}},
    {"code", {"is_code=true"}},
    {"hard_6", {"#hard"}},
    {"hard_prompts", {"#hard"}},
    {"hard_english_6", {"#hard", "language=English|language=en"}},
    {"multiturn", {"conv_metadata.turns>=2|turn>=2"}},
    {"multi_turn", {"conv_metadata.turns>=2|turn>=2"}},
    {"long_user", {"conv_metadata.sum_user_tokens>=500"}},
    {"long_query", {"conv_metadata.sum_user_tokens>=500"}},
    {"no_short", {"conv_metadata.sum_user_tokens>=5"}},
    {"no_refusal", {"is_refusal!=true"}},
    {"no_tie", {"#decisive"}},
    {"exclude_ties", {"#decisive"}},
    {"dedup", {"dedup_tag.sampled=true"}},
    {"english", {"language=English|language=en"}},
    {"chinese", {"language=Chinese|language=zh"}},
    {"french", {"language=French|language=fr"}},
    {"german", {"language=German|language=de"}},
    {"spanish", {"language=Spanish|language=es"}},
    {"russian", {"language=Russian|language=ru"}},
    {"japanese", {"language=Japanese|language=ja"}},
    {"korean", {"language=Korean|language=ko"}},
};

static const char *const HARD_FIELDS[] = {CRITERIA "specificity", CRITERIA "domain_knowledge",
                                          CRITERIA "complexity",  CRITERIA "problem_solving",
                                          CRITERIA "creativity",  CRITERIA "technical_accuracy",
                                          CRITERIA "real_world"};

static bool too_many(struct err *err)
{
    return err_set(err, ERR_BAD_REQUEST, "too many filters (at most %d, over %d fields)",
                   SELECT_CLAUSES_MAX, ROW_FIELDS_MAX);
}

static bool parse_number(struct text text, double *number)
{
    char digits[64], *end = NULL;
    if (text.length == 0 || text.length >= sizeof digits)
        return false;
    memcpy(digits, text.data, text.length);
    digits[text.length] = '\0';
    *number = strtod(digits, &end);
    return *end == '\0' && isfinite(*number);
}

static struct select_clause *new_clause(struct select *select)
{
    return select->count < SELECT_CLAUSES_MAX ? &select->clauses[select->count] : NULL;
}

/* One FIELD OP VALUE in `text`, which is cut up and stays. */
static bool add_term(struct select_clause *clause, struct row_spec *spec, char *text,
                     struct err *err)
{
    struct select_term *term = &clause->terms[clause->count];
    char *op = strpbrk(text, "!<>=");
    size_t width = op && op[1] == '=' && *op != '=' ? 2 : 1;
    if (!op || op == text || (*op == '!' && width == 1))
        return err_set(err, ERR_BAD_REQUEST,
                       "\"%s\" is no filter; write FIELD=VALUE (or !=, >=, <=, >, <)", text);
    term->op = width == 2 && *op == '>' ? 'G' : width == 2 && *op == '<' ? 'L' : *op;
    term->value = text_of(op + width);
    term->numeric = parse_number(term->value, &term->number);
    *op = '\0';
    term->field[0] = row_spec_add(spec, text);
    term->fields = 1;
    if (term->field[0] == ROW_FIELDS_MAX)
        return too_many(err);
    clause->count++;
    return true;
}

bool select_filter(struct select *select, struct row_spec *spec, const char *filter,
                   struct err *err)
{
    struct select_clause *clause = new_clause(select);
    if (!clause)
        return too_many(err);
    if (strlen(filter) > SELECT_TEXT_MAX)
        return err_set(err, ERR_BAD_REQUEST, "a filter is longer than %d bytes", SELECT_TEXT_MAX);
    *clause = (struct select_clause){.count = 0};
    memcpy(clause->text, filter, strlen(filter) + 1);
    if (!add_term(clause, spec, clause->text, err))
        return false;
    select->count++;
    return true;
}

/* At least six of the seven criteria, as LMArena has it. */
static bool add_hard(struct select *select, struct row_spec *spec, struct err *err)
{
    struct select_clause *clause = new_clause(select);
    if (!clause)
        return too_many(err);
    *clause = (struct select_clause){.count = 1};
    struct select_term *term = &clause->terms[0];
    *term = (struct select_term){.op = 'G', .value = TEXT("6"), .number = 6, .numeric = true};
    for (size_t k = 0; k < sizeof HARD_FIELDS / sizeof *HARD_FIELDS; k++) {
        term->field[k] = row_spec_add(spec, HARD_FIELDS[k]);
        if (term->field[k] == ROW_FIELDS_MAX)
            return too_many(err);
        term->fields++;
    }
    select->count++;
    return true;
}

static bool add_clause(struct select *select, struct row_spec *spec, const char *text,
                       struct err *err)
{
    if (strcmp(text, "#decisive") == 0)
        return select->decisive = true;
    if (strcmp(text, "#hard") == 0)
        return add_hard(select, spec, err);
    struct select_clause *clause = new_clause(select);
    if (!clause || strlen(text) > SELECT_TEXT_MAX)
        return too_many(err);
    *clause = (struct select_clause){.count = 0};
    memcpy(clause->text, text, strlen(text) + 1);
    char *rest = clause->text, *term;
    while ((term = strsep(&rest, "|")) != NULL)
        if (clause->count == SELECT_TERMS_MAX || !add_term(clause, spec, term, err))
            return false;
    select->count++;
    return true;
}

bool select_known(const char *category)
{
    for (size_t k = 0; k < sizeof CATEGORIES / sizeof *CATEGORIES; k++)
        if (strcasecmp(CATEGORIES[k].name, category) == 0)
            return true;
    return false;
}

bool select_unknown(const char *category, struct err *err)
{
    char names[ERR_MESSAGE_MAX - 100] = "";
    size_t used = 0;
    for (size_t k = 0; k < sizeof CATEGORIES / sizeof *CATEGORIES && used < sizeof names; k++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", k ? ", " : "",
                                 CATEGORIES[k].name);
    return err_set(err, ERR_BAD_REQUEST,
                   "no vote is of category \"%.40s\"; known are %s, and what votes' own tags say",
                   category, names);
}

bool select_category(struct select *select, struct row_spec *spec, const char *category,
                     struct err *err)
{
    char text[SELECT_TEXT_MAX + 1];
    for (size_t k = 0; k < sizeof CATEGORIES / sizeof *CATEGORIES; k++) {
        if (strcasecmp(CATEGORIES[k].name, category) != 0)
            continue;
        for (size_t c = 0; c < 3 && CATEGORIES[k].clauses[c]; c++)
            if (!add_clause(select, spec, CATEGORIES[k].clauses[c], err))
                return false;
        return true;
    }
    if (!*category || strlen(category) > 40 || strpbrk(category, "|!<>="))
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" is no category", category);
    snprintf(text, sizeof text, "category=%s|language=%s|category_tag.%s=true", category, category,
             category);
    return add_clause(select, spec, text, err);
}

static double as_number(const struct row_spec *spec, const struct row_field *field,
                        struct buf *scratch)
{
    struct text text;
    double number;
    if (!row_text(spec, field, scratch, &text) || text.length == 0)
        return NAN;
    if (text_equal(text, TEXT("true")) || text_equal(text, TEXT("True")))
        return 1;
    if (text_equal(text, TEXT("false")) || text_equal(text, TEXT("False")))
        return 0;
    return parse_number(text, &number) ? number : NAN;
}

/* -1, 0 or 1; texts compare without regard to case, so that pandas' "True" is JSON's true. */
static int compare_text(struct text a, struct text b)
{
    size_t length = a.length < b.length ? a.length : b.length;
    int order = length ? strncasecmp(a.data, b.data, length) : 0;
    return order ? order : (a.length > b.length) - (a.length < b.length);
}

static bool holds(char op, int order)
{
    switch (op) {
    case '=':
        return order == 0;
    case '!':
        return order != 0;
    case '>':
        return order > 0;
    case '<':
        return order < 0;
    case 'G':
        return order >= 0;
    default:
        return order <= 0;
    }
}

static bool term_matches(const struct select_term *term, const struct row_spec *spec,
                         const struct row_field *fields, struct buf *scratch)
{
    const struct row_field *first = &fields[term->field[0]];
    struct text text;
    double sum = 0;
    if (term->numeric) {
        for (size_t k = 0; k < term->fields; k++) {
            double number = as_number(spec, &fields[term->field[k]], scratch);
            sum += term->fields > 1 && isnan(number) ? 0 : number;
        }
        if (!isnan(sum))
            return holds(term->op, (sum > term->number) - (sum < term->number));
    }
    if (first->kind == ROW_ABSENT || first->kind == ROW_NULL)
        return term->op == '!';
    return row_text(spec, first, scratch, &text) &&
           holds(term->op, compare_text(text, term->value));
}

bool select_matches(const struct select *select, const struct row_spec *spec,
                    const struct row_field *fields, enum outcome outcome, struct buf *scratch)
{
    if (select->decisive && outcome != OUTCOME_A && outcome != OUTCOME_B)
        return false;
    for (size_t c = 0; c < select->count; c++) {
        const struct select_clause *clause = &select->clauses[c];
        bool any = false;
        for (size_t t = 0; t < clause->count && !any; t++)
            any = term_matches(&clause->terms[t], spec, fields, scratch);
        if (!any)
            return false;
    }
    return true;
}
