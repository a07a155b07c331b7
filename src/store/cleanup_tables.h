/* What each table's file offers to the list in cleanup.c: deletes up to rules->batch rows, and returns how many. */
#ifndef JWTD_STORE_CLEANUP_TABLES_H
#define JWTD_STORE_CLEANUP_TABLES_H

#include "jwtd/cleanup.h"

enum status sessions_delete_ended(const struct db_call *call, const struct cleanup_rules *rules, int64_t *deleted) MUST_CHECK;
enum status revocations_delete_old(const struct db_call *call, const struct cleanup_rules *rules, int64_t *deleted) MUST_CHECK;
enum status known_addresses_delete_old(const struct db_call *call, const struct cleanup_rules *rules,
                                       int64_t *deleted) MUST_CHECK;

#endif
