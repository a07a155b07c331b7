/* `jwtd key`: the life of signing keys. */
#include "command_change.h"
#include "subcommand.h"

#include "jwtd/auth_events.h"
#include "jwtd/clock.h"
#include "jwtd/db.h"
#include "jwtd/json_writer.h"
#include "jwtd/key_life.h"
#include "jwtd/key_revocations.h"
#include "jwtd/log.h"
#include "jwtd/macros.h"
#include "jwtd/options.h"

#include <stdio.h>
#include <string.h>

#define ARENA_LIMIT ((size_t)4 * 1024 * 1024)
#define ERROR_SIZE 512
#define ONE_KEY "the id of a key"
#define DATABASE_TIMEOUT_US (15 * CLOCK_US_PER_S)
#define NOTE_TIMEOUT_US (3 * CLOCK_US_PER_S)

struct key_task {
    const struct cli_arguments *arguments;
    const struct config *config;
    struct key_rules rules;
    int64_t now_s;
    char error[ERROR_SIZE];
};

/* Returns false, so that a failure is one line. */
static bool fail(const char *error) {
    fprintf(stderr, "jwtd: %s\n", error);
    return false;
}

static const char *kid_of(const struct key_task *task) {
    return task->arguments->operands[1];
}

static bool is_at_once(const struct key_task *task) {
    return (task->arguments->options & CLI_NOW) != 0;
}

/* ---- list ---- */

static void describe(const struct key_info *key, int64_t now_s, char *text, size_t size) {
    char time[KEY_TIME_SIZE];
    key_time_text(key->next_s, time);
    if (key->is_gone)
        (void)snprintf(text, size, "gone%s", key->algorithm != NULL ? "; jwtd key prune removes its file" : "");
    else if (key->state == KEY_REVOKED)
        (void)snprintf(text, size, "refused%s", key->algorithm != NULL ? "; jwtd key prune removes its file" : "");
    else if (key->algorithm == NULL)
        (void)snprintf(text, size, "there is no file of this key");
    else if (!key->is_readable)
        (void)snprintf(text, size, "its file cannot be read by the service");
    else if (key->signs)
        (void)snprintf(text, size, "signs");
    else if (!key->can_sign)
        (void)snprintf(text, size, "verifies only: a public key");
    else if (key->state == KEY_RETIRING)
        (void)snprintf(text, size, "verifies until %s", time);
    else
        (void)snprintf(text, size, "%s%s", key->next_s > now_s ? "may sign from " : "may sign", key->next_s > now_s ? time : "");
}

static void print_table(const struct key_list *list, int64_t now_s) {
    char since[KEY_TIME_SIZE], text[128];
    int width = 3;
    for (size_t i = 0; i < list->count; i++)
        if ((int)strlen(list->keys[i].kid) > width)
            width = (int)strlen(list->keys[i].kid);
    printf("%-*s  %-9s  %-8s  %-20s  %s\n", width, "KID", "ALGORITHM", "STATE", "SINCE", "NOW");
    for (size_t i = 0; i < list->count; i++) {
        const struct key_info *key = &list->keys[i];
        describe(key, now_s, text, sizeof text);
        printf("%-*s  %-9s  %-8s  %-20s  %s\n", width, key->kid, key->algorithm != NULL ? key->algorithm : "-",
               list->has_states ? key_state_name(key->state) : "-", key_time_text(key->since_s, since), text);
    }
    if (!list->has_states)
        puts("There is no keys.conf: all keys verify, and the newest by name signs. The first change by jwtd key makes it.");
}

static void write_key(struct json_writer *writer, const struct key_list *list, const struct key_info *key) {
    char time[KEY_TIME_SIZE];
    json_begin_object(writer);
    json_member_string(writer, "kid", key->kid);
    json_member_string(writer, "algorithm", key->algorithm);
    json_member_string(writer, "state", list->has_states ? key_state_name(key->state) : NULL);
    json_member_string(writer, "since", key_time_text(key->since_s, time));
    json_member_boolean(writer, "signs", key->signs);
    json_member_boolean(writer, "verifies", key->algorithm != NULL && !key->is_gone && key->state != KEY_REVOKED);
    if (key->state == KEY_STANDBY && !key->signs)
        json_member_string(writer, "may_sign_from", key_time_text(key->next_s, time));
    if (key->state == KEY_RETIRING)
        json_member_string(writer, "verifies_until", key_time_text(key->next_s, time));
    json_end_object(writer);
}

static bool print_json(const struct key_list *list) {
    struct arena arena;
    struct json_writer writer;
    arena_init(&arena, ARENA_LIMIT);
    json_writer_init(&writer, &arena);
    json_begin_array(&writer);
    for (size_t i = 0; i < list->count; i++)
        write_key(&writer, list, &list->keys[i]);
    json_end_array(&writer);
    struct text text = json_writer_finish(&writer);
    if (text.bytes != NULL)
        printf("%s\n", text.bytes);
    arena_fini(&arena);
    return text.bytes != NULL || fail("out of memory");
}

static bool list(struct key_task *task) {
    struct key_list keys;
    if (!key_list_read(&task->rules, task->now_s, &keys, task->error, ERROR_SIZE))
        return fail(task->error);
    if ((task->arguments->options & CLI_JSON) != 0)
        return print_json(&keys);
    print_table(&keys, task->now_s);
    return true;
}

/* ---- the database ---- */

/* Runs a function of the store on a connection of its own. The change context has who runs the command. */
static enum status call_store(const struct key_task *task, int64_t timeout_us, const char *reason, const char *kid,
                              enum status (*run)(const struct db_call *call, const char *reason, const char *kid)) {
    struct db_options options = db_options_from_config(task->config, DB_FOR_COMMAND);
    struct db *db = db_create(&options);
    if (db == NULL)
        return STATUS_OUT_OF_MEMORY;
    struct arena arena;
    arena_init(&arena, ARENA_LIMIT);
    struct db_call call = { .db = db, .deadline_us = clock_monotonic_us() + timeout_us, .change = command_change(&arena) };
    enum status status = call.change != NULL ? run(&call, reason, kid) : STATUS_OUT_OF_MEMORY;
    arena_fini(&arena);
    db_destroy(db);
    return status;
}

/* The keys are files, so the change cannot wait for its event: one that cannot be written is said. */
static void note_change(const struct key_task *task, const char *reason, const char *kid) {
    enum status status = call_store(task, NOTE_TIMEOUT_US, reason, kid, auth_events_note_key);
    if (status != STATUS_OK)
        fprintf(stderr, "jwtd: %s. The change is made, but is not in the audit\n", status_info(status)->title);
}

/* ---- changes ---- */

/* The key on standard output, for scripts; what an operator should know beside it. */
static bool report(const struct key_task *task, bool is_done, const struct key_change *change) {
    if (!is_done)
        return fail(task->error);
    if (change->note[0] != '\0')
        fprintf(stderr, "jwtd: %s\n", change->note);
    return true;
}

static bool add(struct key_task *task) {
    struct key_change change;
    bool is_done = key_add(&task->rules, task->now_s, task->arguments->algorithm, &change, task->error, ERROR_SIZE);
    if (is_done) {
        printf("%s\n", change.kid);
        note_change(task, "added", change.kid);
    }
    return report(task, is_done, &change);
}

static bool activate(struct key_task *task) {
    struct key_change change;
    bool is_done = key_activate(&task->rules, task->now_s, kid_of(task), is_at_once(task), &change, task->error, ERROR_SIZE);
    if (is_done)
        note_change(task, "activated", change.kid);
    return report(task, is_done, &change);
}

static bool retire(struct key_task *task) {
    struct key_change change;
    bool is_done = key_retire(&task->rules, task->now_s, kid_of(task), &change, task->error, ERROR_SIZE);
    if (is_done)
        note_change(task, "retired", change.kid);
    return report(task, is_done, &change);
}

static enum status insert_revocation(const struct db_call *call, const char *reason, const char *kid) {
    (void)reason;
    return key_revocations_insert(call, kid);
}

/* For the instances that do not share the directory. */
static enum status publish_revocation(const struct key_task *task) {
    return call_store(task, DATABASE_TIMEOUT_US, NULL, kid_of(task), insert_revocation);
}

static bool revoke(struct key_task *task) {
    struct key_change change;
    bool is_done = key_revoke(&task->rules, task->now_s, kid_of(task), &change, task->error, ERROR_SIZE);
    if (is_done && change.is_new_signer)
        fprintf(stderr, "jwtd: %s signs now\n", change.active);
    if (!report(task, is_done, &change))
        return false;
    enum status status = publish_revocation(task);
    if (status == STATUS_OK)
        return true;
    fprintf(stderr, "jwtd: %s. The key is revoked in %s, but instances with another directory do not know: run this again\n",
            status_info(status)->title, task->rules.keys_dir);
    return false;
}

static bool prune(struct key_task *task) {
    struct key_change change;
    bool is_done = key_prune(&task->rules, task->now_s, &change, task->error, ERROR_SIZE);
    if (is_done)
        printf("%u\n", change.removed);
    return report(task, is_done, &change);
}

static bool rotate_refresh(struct key_task *task) {
    struct key_change change;
    bool is_done = key_rotate_refresh(&task->rules, task->now_s, is_at_once(task), &change, task->error, ERROR_SIZE);
    if (is_done)
        note_change(task, "refresh_key_rotated", NULL);
    return report(task, is_done, &change);
}

/* ---- the command ---- */

static const struct key_subcommand {
    struct subcommand words;
    bool (*run)(struct key_task *task);
} subcommands[] = {
    { { "list", " [--json]", "print all keys: id, algorithm, state, since when, and what that means at the moment",
        .options = CLI_JSON },
      list },
    { { "add", " [--algorithm NAME]", "make a standby key, by default of the algorithm of the key that signs; print its id",
        .options = CLI_ALGORITHM },
      add },
    { { "activate", " KID [--now]", "sign with this key; the one that signed before verifies until its last token has expired",
        .operand = ONE_KEY, .options = CLI_NOW,
        .notes =
            "Until it has been standby for token.publish_before_use, so that services that keep copies of the keys know it,\n"
            "this fails without --now.\n" },
      activate },
    { { "retire", " KID", "let a key that does not sign verify until its last token has expired, and no longer",
        .operand = ONE_KEY },
      retire },
    { { "revoke", " KID", "refuse all tokens of a key at once, for good; if it signs, add another key first", .operand = ONE_KEY,
        .notes = "Other instances learn of it from the database within a second.\n" },
      revoke },
    { { .name = "prune", .synopsis = "", .help = "remove the files of keys that are gone or revoked; print how many" }, prune },
    { { "rotate-refresh", " [--now]", "replace the refresh key in two runs; nobody is logged out", .options = CLI_NOW,
        .notes = "The first run makes refresh.key.next, which is accepted from then on: copy it to instances that have a "
                 "directory of\n"
                 "their own, and send these SIGHUP. The second, ten seconds later at the earliest or with --now, lets it sign; "
                 "the old\n"
                 "key stays as refresh.key.ID: remove it when token.refresh_ttl has passed.\n" },
      rotate_refresh },
};

const struct subcommand_table key_subcommands = { "key", subcommands, ARRAY_LEN(subcommands), sizeof *subcommands };

static bool check_algorithm(const char *name) {
    char algorithms[KEYRING_ALGORITHMS_SIZE];
    if (name == NULL || keyring_has_algorithm(name))
        return true;
    fprintf(stderr, "jwtd: key add --algorithm takes one of %s, not %s\n", keyring_algorithms(algorithms), name);
    return false;
}

int cli_key(const struct cli_arguments *arguments) {
    const struct key_subcommand *subcommand = subcommand_choose(&key_subcommands, arguments);
    if (subcommand == NULL || !check_algorithm(arguments->algorithm))
        return 2;
    struct config config;
    bool is_done = false;
    if (cli_load_config(arguments, &config)) {
        log_init(config.log.level, config.log.format);
        struct key_task task = {
            .arguments = arguments, .config = &config, .rules = key_rules_from_config(&config), .now_s = clock_wall_s()
        };
        is_done = subcommand->run(&task);
    }
    config_fini(&config);
    return is_done ? 0 : 1;
}
