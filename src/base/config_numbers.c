/* The types of settings that are one number, or one word of a short list. */
#include "settings.h"

#include "jwtd/macros.h"

#include <inttypes.h>
#include <string.h>

#define NUMBER_TEXT_SIZE 32

struct unit {
    const char *name;
    int64_t factor;
};

/* Each list ends with its smallest unit, of factor 1. */
static const struct unit duration_units[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } };
static const struct unit size_units[] = { { "GiB", 1 << 30 }, { "MiB", 1 << 20 }, { "KiB", 1 << 10 }, { "B", 1 } };
static const struct unit no_units[] = { { "", 1 } };

/* How a number is written, and the error for one that is not; NULL: one that names the range alone. */
struct notation {
    const struct unit *units;
    size_t count;
    const char *expected;
};

static const struct notation duration_notation = { duration_units, ARRAY_LEN(duration_units),
                                                   "must be a whole number with a unit of ms, s, m, h or d, like 15m" };
static const struct notation size_notation = { size_units, ARRAY_LEN(size_units),
                                               "must be a whole number with a unit of B, KiB, MiB or GiB, like 16KiB" };
static const struct notation count_notation = { no_units, ARRAY_LEN(no_units), NULL };

/* Reads digits; returns what is behind them, or NULL when there are none or too many. */
static const char *read_digits(const char *text, int64_t *number) {
    struct text digits = { text, strspn(text, "0123456789") };
    uint64_t value;
    if (!text_parse_unsigned(digits, INT64_MAX, &value))
        return NULL;
    *number = (int64_t)value;
    return text + digits.len;
}

/* A number without a unit is rejected, since its reader might assume another one; except 0, which is the same in all. */
static bool read_number(const struct notation *notation, const char *text, int64_t *number) {
    const char *unit = read_digits(text, number);
    if (unit == NULL)
        return false;
    if (*unit == '\0' && *number == 0)
        return true;
    for (size_t i = 0; i < notation->count; i++)
        if (strcmp(unit, notation->units[i].name) == 0)
            return !__builtin_mul_overflow(*number, notation->units[i].factor, number);
    return false;
}

/* In the largest unit that leaves a whole number. */
static const char *number_text(const struct notation *notation, int64_t number, char text[NUMBER_TEXT_SIZE]) {
    const struct unit *unit = notation->units;
    const struct unit *smallest = notation->units + notation->count - 1;
    while (unit != smallest && (number == 0 || number % unit->factor != 0))
        unit++;
    if (number == 0)
        snprintf(text, NUMBER_TEXT_SIZE, "0");
    else
        snprintf(text, NUMBER_TEXT_SIZE, "%" PRId64 "%s", number / unit->factor, unit->name);
    return text;
}

static bool parse_number(const struct notation *notation, const struct setting *setting, const char *text, int64_t *number,
                         char error[ERROR_SIZE]) {
    bool is_read = read_number(notation, text, number);
    if (!is_read && notation->expected != NULL) {
        snprintf(error, ERROR_SIZE, "%s", notation->expected);
        return false;
    }
    if (!is_read || *number < setting->min || *number > setting->max) {
        char min[NUMBER_TEXT_SIZE], max[NUMBER_TEXT_SIZE];
        snprintf(error, ERROR_SIZE, "must be %sfrom %s to %s", is_read ? "" : "a whole number ",
                 number_text(notation, setting->min, min), number_text(notation, setting->max, max));
        return false;
    }
    if (setting->unit != 0 && *number % setting->unit != 0) {
        char unit[NUMBER_TEXT_SIZE];
        snprintf(error, ERROR_SIZE, "must be a multiple of %s", number_text(notation, setting->unit, unit));
        return false;
    }
    return true;
}

static void print_number(const struct notation *notation, int64_t number, FILE *out) {
    char text[NUMBER_TEXT_SIZE];
    fputs(number_text(notation, number, text), out);
}

static bool parse_duration(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    int64_t number;
    if (!parse_number(&duration_notation, setting, text, &number, error))
        return false;
    *(int64_t *)place = number;
    return true;
}

static void print_duration(const struct setting *setting, const void *place, FILE *out) {
    (void)setting;
    print_number(&duration_notation, *(const int64_t *)place, out);
}

static bool parse_size(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    int64_t number;
    if (!parse_number(&size_notation, setting, text, &number, error))
        return false;
    *(size_t *)place = (size_t)number;
    return true;
}

static void print_size(const struct setting *setting, const void *place, FILE *out) {
    (void)setting;
    print_number(&size_notation, (int64_t) * (const size_t *)place, out);
}

static bool parse_count(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    int64_t number;
    if (!parse_number(&count_notation, setting, text, &number, error))
        return false;
    *(unsigned *)place = (unsigned)number;
    return true;
}

static void print_count(const struct setting *setting, const void *place, FILE *out) {
    (void)setting;
    print_number(&count_notation, *(const unsigned *)place, out);
}

#define MILLIONTHS 1000000u
#define FRACTION_DIGITS 6

/* "0", "1", or "0." and up to six digits; false for anything else. */
static bool read_fraction(const char *text, unsigned *millionths) {
    if (text[0] != '0' && text[0] != '1')
        return false;
    unsigned value = text[0] == '1' ? MILLIONTHS : 0, unit = MILLIONTHS / 10;
    size_t digits = text[1] == '.' ? strspn(text + 2, "0123456789") : 0;
    bool is_whole = text[1] == '\0';
    if (!is_whole && (digits == 0 || digits > FRACTION_DIGITS || text[2 + digits] != '\0'))
        return false;
    for (size_t i = 0; i < digits; i++, unit /= 10)
        value += (unsigned)(text[2 + i] - '0') * unit;
    *millionths = value;
    return value <= MILLIONTHS;
}

static bool parse_fraction(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    (void)setting;
    unsigned millionths;
    if (!read_fraction(text, &millionths))
        return setting_reject(error, "must be a number from 0 to 1 with at most six digits behind the point, like 0.01");
    *(unsigned *)place = millionths;
    return true;
}

/* With as many digits as it needs. */
static void print_fraction(const struct setting *setting, const void *place, FILE *out) {
    (void)setting;
    unsigned millionths = *(const unsigned *)place, digits = FRACTION_DIGITS, rest = millionths % MILLIONTHS;
    fprintf(out, "%u", millionths / MILLIONTHS);
    while (rest > 0 && rest % 10 == 0) {
        rest /= 10;
        digits--;
    }
    if (rest > 0)
        fprintf(out, ".%0*u", (int)digits, rest);
}

/* A word's index is its value. */
static bool parse_word(const char *const *words, unsigned count, const char *text, unsigned *index, char error[ERROR_SIZE]) {
    size_t used = (size_t)snprintf(error, ERROR_SIZE, "must be one of:");
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(text, words[i]) == 0) {
            *index = i;
            return true;
        }
        used += (size_t)snprintf(error + used, ERROR_SIZE - used, " %s", words[i]);
    }
    return false;
}

static const char *const boolean_words[] = { "false", "true", "off", "on" }; /* each second one is true */
static const char *const level_words[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"
};
static const char *const requests_words[] = { [LOG_ALL_REQUESTS] = "all", [LOG_REFUSED_REQUESTS] = "refused" };
static const char *const emails_words[] = { [LOG_MASKED_EMAILS] = "masked", [LOG_WHOLE_EMAILS] = "whole" };
static const char *const format_words[] = { [LOG_AUTO] = "auto", [LOG_TEXT] = "text", [LOG_JSON] = "json" };

static bool parse_boolean(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    (void)setting;
    unsigned index;
    if (!parse_word(boolean_words, ARRAY_LEN(boolean_words), text, &index, error))
        return false;
    *(bool *)place = index % 2 != 0;
    return true;
}

static void print_boolean(const struct setting *setting, const void *place, FILE *out) {
    (void)setting;
    fputs(boolean_words[*(const bool *)place], out);
}

static bool parse_level(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    (void)setting;
    unsigned index;
    if (!parse_word(level_words, ARRAY_LEN(level_words), text, &index, error))
        return false;
    *(enum log_level *)place = (enum log_level)index;
    return true;
}

static void print_level(const struct setting *setting, const void *place, FILE *out) {
    (void)setting;
    fputs(level_words[*(const enum log_level *)place], out);
}

static bool parse_format(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    (void)setting;
    unsigned index;
    if (!parse_word(format_words, ARRAY_LEN(format_words), text, &index, error))
        return false;
    *(enum log_format *)place = (enum log_format)index;
    return true;
}

static void print_format(const struct setting *setting, const void *place, FILE *out) {
    (void)setting;
    fputs(format_words[*(const enum log_format *)place], out);
}

static bool parse_requests(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    (void)setting;
    unsigned index;
    if (!parse_word(requests_words, ARRAY_LEN(requests_words), text, &index, error))
        return false;
    *(enum log_requests *)place = (enum log_requests)index;
    return true;
}

static void print_requests(const struct setting *setting, const void *place, FILE *out) {
    (void)setting;
    fputs(requests_words[*(const enum log_requests *)place], out);
}

static bool parse_emails(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    (void)setting;
    unsigned index;
    if (!parse_word(emails_words, ARRAY_LEN(emails_words), text, &index, error))
        return false;
    *(enum log_emails *)place = (enum log_emails)index;
    return true;
}

static void print_emails(const struct setting *setting, const void *place, FILE *out) {
    (void)setting;
    fputs(emails_words[*(const enum log_emails *)place], out);
}

const struct setting_type duration_setting = { sizeof(int64_t), parse_duration, print_duration, NULL, NULL };
const struct setting_type size_setting = { sizeof(size_t), parse_size, print_size, NULL, NULL };
const struct setting_type count_setting = { sizeof(unsigned), parse_count, print_count, NULL, NULL };
const struct setting_type fraction_setting = { sizeof(unsigned), parse_fraction, print_fraction, NULL, NULL };
const struct setting_type boolean_setting = { sizeof(bool), parse_boolean, print_boolean, NULL, NULL };
const struct setting_type level_setting = { sizeof(enum log_level), parse_level, print_level, NULL, NULL };
const struct setting_type format_setting = { sizeof(enum log_format), parse_format, print_format, NULL, NULL };
const struct setting_type requests_setting = { sizeof(enum log_requests), parse_requests, print_requests, NULL, NULL };
const struct setting_type emails_setting = { sizeof(enum log_emails), parse_emails, print_emails, NULL, NULL };
