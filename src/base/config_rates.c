/* The type of settings that are a rate: "10/min burst 20", "10/15min", "off". */
#include "settings.h"

#include "jwtd/macros.h"

#include <inttypes.h>
#include <string.h>

#define AMOUNT_MAX 1000000
#define PERIODS_MAX 1000

static const struct {
    const char *name;
    int64_t ms;
} units[] = { { "s", 1000 }, { "min", 60000 }, { "h", 3600000 } };

static const char expected[] = "must be a rate like 10/min, 10/15min or 10/min burst 20 with s, min or h, or off";

/* Reads 1 to max; returns what is behind the digits, NULL for any other number. */
static const char *read_number(const char *text, unsigned max, unsigned *number) {
    struct text digits = { text, strspn(text, "0123456789") };
    uint64_t value;
    if (!text_parse_unsigned(digits, max, &value) || value == 0)
        return NULL;
    *number = (unsigned)value;
    return text + digits.len;
}

/* "min" or "15min"; returns what is behind it. */
static const char *read_period(const char *text, int64_t *period_ms) {
    unsigned count = 1;
    if (*text >= '0' && *text <= '9') {
        text = read_number(text, PERIODS_MAX, &count);
        if (text == NULL)
            return NULL;
    }
    size_t len = strcspn(text, " ");
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strlen(units[i].name) == len && strncmp(text, units[i].name, len) == 0) {
            *period_ms = count * units[i].ms;
            return text + len;
        }
    }
    return NULL;
}

static bool read_rate(const char *text, struct limit_rate *rate) {
    static const char burst[] = " burst ";
    *rate = (struct limit_rate){ .period_ms = 1000 };
    if (strcmp(text, "off") == 0)
        return true;
    const char *next = read_number(text, AMOUNT_MAX, &rate->amount);
    next = next != NULL && *next == '/' ? read_period(next + 1, &rate->period_ms) : NULL;
    if (next == NULL)
        return false;
    rate->burst = rate->amount;
    if (strncmp(next, burst, sizeof burst - 1) == 0)
        next = read_number(next + sizeof burst - 1, AMOUNT_MAX, &rate->burst);
    return next != NULL && *next == '\0';
}

static bool parse_rate(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    (void)setting;
    struct limit_rate rate;
    if (!read_rate(text, &rate)) {
        snprintf(error, ERROR_SIZE, "%s", expected);
        return false;
    }
    *(struct limit_rate *)place = rate;
    return true;
}

/* In the largest unit that leaves a whole number of them. */
static void print_rate(const struct setting *setting, const void *place, FILE *out) {
    (void)setting;
    const struct limit_rate *rate = place;
    if (rate->amount == 0) {
        fputs("off", out);
        return;
    }
    size_t unit = ARRAY_LEN(units) - 1;
    while (unit > 0 && rate->period_ms % units[unit].ms != 0)
        unit--;
    int64_t count = rate->period_ms / units[unit].ms;
    fprintf(out, "%u/", rate->amount);
    if (count != 1)
        fprintf(out, "%" PRId64, count);
    fputs(units[unit].name, out);
    if (rate->burst != rate->amount)
        fprintf(out, " burst %u", rate->burst);
}

const struct setting_type rate_setting = { sizeof(struct limit_rate), parse_rate, print_rate, NULL, NULL };
