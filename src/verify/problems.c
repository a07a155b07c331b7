#include "problems.h"

#include <stdio.h>
#include <string.h>

static const char *const solved[PROBLEM_PARTS] = {
    [PROBLEM_REVOKED_KEYS] = "keys: all that are revoked are known",
    [PROBLEM_FEED] = "feed: followed",
    [PROBLEM_DIRECTORY] = "keys: the directory was read",
    [PROBLEM_FETCHED] = "keys: fetched",
};

void problems_init(struct problems *problems, void (*report)(void *context, const char *text), void *context) {
    memset(problems->texts, 0, sizeof problems->texts);
    pthread_mutex_init(&problems->lock, NULL);
    problems->report = report;
    problems->context = context;
}

void problems_fini(struct problems *problems) {
    pthread_mutex_destroy(&problems->lock);
}

void problems_set(struct problems *problems, enum problem_part part, const char *text) {
    char line[PROBLEM_SIZE];
    snprintf(line, sizeof line, "%s", text);
    pthread_mutex_lock(&problems->lock);
    char *kept = problems->texts[part];
    int has_changed = strcmp(kept, line) != 0;
    memcpy(kept, line, sizeof line);
    pthread_mutex_unlock(&problems->lock);
    if (has_changed && problems->report != NULL)
        problems->report(problems->context, line[0] == '\0' ? solved[part] : line);
}

void problems_first(struct problems *problems, char *text, size_t size) {
    if (size == 0)
        return;
    text[0] = '\0';
    pthread_mutex_lock(&problems->lock);
    for (size_t i = 0; i < PROBLEM_PARTS && text[0] == '\0'; i++)
        snprintf(text, size, "%s", problems->texts[i]);
    pthread_mutex_unlock(&problems->lock);
}
