/* The functions in the list of cleanup.c, one in the file of each table: deletes up to rules->batch rows; *deleted is how many.
 */
#ifndef JWTD_STORE_CLEANUP_TABLES_H
#define JWTD_STORE_CLEANUP_TABLES_H

#include "jwtd/cleanup.h"

enum status sessions_delete_ended(const struct db_call *call, const struct cleanup_rules *rules, int64_t *deleted) MUST_CHECK;
enum status revocations_delete_old(const struct db_call *call, const struct cleanup_rules *rules, int64_t *deleted) MUST_CHECK;
enum status known_addresses_delete_old(const struct db_call *call, const struct cleanup_rules *rules,
                                       int64_t *deleted) MUST_CHECK;
enum status idempotency_keys_delete_old(const struct db_call *call, const struct cleanup_rules *rules,
                                        int64_t *deleted) MUST_CHECK;

#endif
