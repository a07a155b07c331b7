/*
 * Accept of a scrape (metrics.h). Checked: a client that does not name OpenMetrics receives the text, one that likes nothing more
 * receives OpenMetrics, whatever follows.
 */
#include "fuzz.h"

#include "jwtd/metrics.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME "application/openmetrics-text"

static bool has_name(struct text text) {
    for (size_t i = 0; i + sizeof NAME - 1 <= text.len; i++)
        if (strncasecmp(text.bytes + i, NAME, sizeof NAME - 1) == 0)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    static const char first[] = NAME ",";
    size_t first_len = sizeof first - 1;
    char *whole = malloc(first_len + len); /* of that size, so that a read behind its end is found */
    assert(whole != NULL);
    memcpy(whole, first, first_len);
    if (len > 0)
        memcpy(whole + first_len, bytes, len);
    struct text text = { whole + first_len, len };
    enum metrics_format format = metrics_choose_format(text);
    assert(format == METRICS_TEXT || (format == METRICS_OPENMETRICS && has_name(text)));
    assert(metrics_choose_format((struct text){ whole, first_len + len }) == METRICS_OPENMETRICS);
    free(whole);
    return 0;
}
