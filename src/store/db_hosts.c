/* Several hosts in one URL: which is tried first; the address of a single one; whether the connected one still is what
 * target_session_attrs requires. */
#include "link.h"

#include "jwtd/macros.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *db_option(const PQconninfoOption *options, const char *keyword) {
    for (; options->keyword != NULL; options++)
        if (strcmp(options->keyword, keyword) == 0)
            return options->val;
    return NULL;
}

static unsigned count_items(const char *list) {
    unsigned count = 1;
    for (; *list != '\0'; list++)
        count += *list == ',' ? 1 : 0;
    return count;
}

/* "a,b,c" from its second item on: "b,c,a". */
static char *rotate(const char *list, unsigned by) {
    size_t len = strlen(list);
    const char *start = list;
    char *rotated = malloc(len + 1);
    if (rotated == NULL)
        return NULL;
    for (; by > 0; by--)
        start = strchr(start, ',') + 1;
    size_t tail = len - (size_t)(start - list);
    memcpy(rotated, start, tail);
    if (tail < len) {
        rotated[tail] = ',';
        memcpy(rotated + tail + 1, list, len - tail - 1);
    }
    rotated[len] = '\0';
    return rotated;
}

bool db_order_hosts(const PQconninfoOption *parsed, unsigned first, struct db_hosts *hosts) {
    const char *const lists[] = { db_option(parsed, "host"), db_option(parsed, "hostaddr"), db_option(parsed, "port") };
    char **const places[] = { &hosts->host, &hosts->hostaddr, &hosts->port };
    *hosts = (struct db_hosts){ NULL, NULL, NULL };
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        unsigned count = lists[i] == NULL ? 1 : count_items(lists[i]);
        if (count == 1) /* of ports: the same for all */
            continue;
        *places[i] = rotate(lists[i], first % count);
        if (*places[i] == NULL)
            return false;
    }
    return true;
}

void db_free_hosts(struct db_hosts *hosts) {
    free(hosts->host);
    free(hosts->hostaddr);
    free(hosts->port);
}

/* From the options in use, since the host may also be of the environment or of a service file. */
void link_note_address(struct link *link) {
    PQconninfoOption *used = PQconninfo(link->connection);
    const char *host = used != NULL ? db_option(used, "host") : NULL;
    const char *address = PQhostaddr(link->connection); /* empty for a Unix-domain socket */
    bool is_usable = host != NULL && strchr(host, ',') == NULL && strlen(address) < sizeof link->address &&
                     strncmp(address, "fe80:", 5) != 0; /* link-local: libpq leaves out the zone */
    snprintf(link->address, sizeof link->address, "%s", is_usable ? address : "");
    PQconninfoFree(used);
}

static const struct {
    const char *attributes;
    bool refuses_read_only; /* besides a standby, which takes no writes either */
} wanted_primaries[] = { { "read-write", true }, { "primary", false } };

void link_note_wanted_role(struct link *link) {
    PQconninfoOption *used = PQconninfo(link->connection);
    const char *attributes = used != NULL ? db_option(used, "target_session_attrs") : NULL;
    link->refuses_standby = link->refuses_read_only = false;
    for (size_t i = 0; attributes != NULL && i < ARRAY_LEN(wanted_primaries); i++) {
        if (strcmp(attributes, wanted_primaries[i].attributes) == 0) {
            link->refuses_standby = true;
            link->refuses_read_only = wanted_primaries[i].refuses_read_only;
        }
    }
    PQconninfoFree(used);
}

static bool is_on(const struct link *link, const char *parameter) {
    const char *value = PQparameterStatus(link->connection, parameter);
    return value != NULL && strcmp(value, "on") == 0;
}

bool link_has_wanted_role(const struct link *link) {
    return !(link->refuses_standby && is_on(link, "in_hot_standby")) &&
           !(link->refuses_read_only && is_on(link, "default_transaction_read_only"));
}
