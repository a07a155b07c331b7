/* A query before and after its run: what is asked, and the reading of its rows. */
#include "statement.h"

#include <assert.h>
#include <libpq-fe.h>
#include <string.h>

void db_ask(struct db_query *query, const struct db_statement *statement, const char *const *parameters, void *result) {
    assert(statement->parameters <= DB_PARAMETERS_MAX && query->rows.result == NULL);
    query->statement = statement;
    for (int i = 0; i < statement->parameters; i++)
        query->parameters[i] = parameters[i];
    query->result = result;
    query->then = NULL;
}

const char *db_text_parameter(struct db_query *query, const char *text) {
    if (text == NULL)
        return NULL;
    size_t size = strlen(text) + 1;
    assert(size <= sizeof query->texts - query->texts_len);
    char *copy = query->texts + query->texts_len;
    query->texts_len += size;
    return memcpy(copy, text, size);
}

const char *db_uuid_parameter(struct db_query *query, const struct uuid *id) {
    return db_text_parameter(query, UUID_PARAMETER(id));
}

const char *db_integer_parameter(struct db_query *query, int64_t value) {
    return db_text_parameter(query, INTEGER_PARAMETER(value));
}

void db_begin_run(struct db_query *query) {
    assert(db_is_asked(query));
    query->status = STATUS_OK;
    query->was_rerun = false;
    query->first_sent_us = 0;
    query->tries = 0;
}

const char *db_query_name(const struct db_query *query) {
    assert(db_is_asked(query));
    return query->statement->name;
}

void db_discard(struct db_query *query) {
    if (query == NULL)
        return;
    PQclear(query->rows.result);
    query->rows.result = NULL;
}

enum status db_take(struct db_query *query, struct arena *arena) {
    const struct db_statement *statement = query->statement;
    enum status status = query->status;
    assert(db_is_asked(query));
    query->statement = NULL;
    if (status == STATUS_OK && statement->read != NULL)
        status = statement->read(&query->rows, arena, query->result);
    db_discard(query);
    if (query->then != NULL)
        status = query->then(query, status);
    assert(!db_is_asked(query) || status == STATUS_OK);
    return status;
}
