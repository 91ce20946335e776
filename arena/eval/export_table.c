/* One interface for both formats, so that an export says once what it holds. */
#include "eval/export_table.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/csv.h"

void table_init(struct table *table, FILE *out, enum table_format format)
{
    *table = (struct table){.out = out, .format = format, .err = ERR_INIT};
    buf_init(&table->row, TABLE_ROW_MAX);
    buf_init(&table->header, TABLE_ROW_MAX);
}

void table_begin(struct table *table)
{
    buf_clear(&table->row);
    table->json = json_out_to(&table->row);
    table->first = true;
    if (table->format == TABLE_JSONL)
        json_put_open(&table->json, NULL, '{');
}

/* --- CSV --- */

/* Before each cell: the header's part of it, and the comma. */
static struct buf *next_cell(struct table *table, const char *name)
{
    if (table->rows == 0) {
        if (!table->first)
            buf_add_char(&table->header, ',');
        csv_cell(&table->header, text_of(name));
    }
    if (!table->first)
        buf_add_char(&table->row, ',');
    table->first = false;
    return &table->row;
}

/* --- cells --- */

void table_text(struct table *table, const char *name, struct text value)
{
    if (table->format == TABLE_CSV)
        csv_cell(next_cell(table, name), value.data ? value : TEXT(""));
    else if (value.data)
        json_put_string(&table->json, name, value);
    else
        json_put_null(&table->json, name);
}

void table_string(struct table *table, const char *name, const char *value)
{
    table_text(table, name, value ? text_of(value) : (struct text){NULL, 0});
}

void table_int(struct table *table, const char *name, int64_t value)
{
    if (table->format == TABLE_CSV)
        buf_printf(next_cell(table, name), "%" PRId64, value);
    else
        json_put_int(&table->json, name, value);
}

void table_known(struct table *table, const char *name, int64_t value)
{
    if (value < 0)
        table_text(table, name, (struct text){NULL, 0});
    else
        table_int(table, name, value);
}

void table_real(struct table *table, const char *name, double value)
{
    if (table->format == TABLE_JSONL || isnan(value)) {
        if (isnan(value))
            table_text(table, name, (struct text){NULL, 0});
        else
            json_put_real(&table->json, name, value);
        return;
    }
    struct json_out number = json_out_to(next_cell(table, name));
    json_put_real(&number, NULL, value);
}

void table_bool(struct table *table, const char *name, bool value)
{
    if (table->format == TABLE_CSV)
        buf_add_string(next_cell(table, name), value ? "true" : "false");
    else
        json_put_bool(&table->json, name, value);
}

void table_json(struct table *table, const char *name, struct text json)
{
    if (json.length == 0)
        table_text(table, name, (struct text){NULL, 0});
    else if (table->format == TABLE_JSONL)
        json_put_raw(&table->json, name, json);
    else
        csv_cell(next_cell(table, name), json);
}

/* --- rows --- */

static bool write_buf(struct table *table, const struct buf *buf)
{
    if (fwrite(buf->data, 1, buf->length, table->out) == buf->length)
        return true;
    return err_sys(&table->err, ERR_IO, errno, "cannot write the export");
}

bool table_end(struct table *table)
{
    if (table->format == TABLE_JSONL)
        json_put_close(&table->json, '}');
    buf_add_char(&table->row, '\n');
    buf_add_char(&table->header, '\n');
    if (table->row.failed || table->header.failed)
        return err_set(&table->err, ERR_TOO_LARGE, "row %" PRIu64 " is longer than %u MB",
                       table->rows + 1, TABLE_ROW_MAX >> 20);
    bool first = table->rows++ == 0 && table->format == TABLE_CSV;
    bool ok = (!first || write_buf(table, &table->header)) && write_buf(table, &table->row);
    buf_clear(&table->header);
    return ok;
}

bool table_finish(struct table *table, struct err *err)
{
    bool header = table->format == TABLE_CSV && !table->rows && table->columns;
    if (header && table->err.code == ERR_NONE)
        fprintf(table->out, "%s\n", table->columns);
    if (table->err.code == ERR_NONE && (fflush(table->out) != 0 || ferror(table->out)))
        err_sys(&table->err, ERR_IO, errno, "cannot write the export");
    buf_done(&table->row);
    buf_done(&table->header);
    if (table->err.code != ERR_NONE && err)
        *err = table->err;
    return table->err.code == ERR_NONE;
}
