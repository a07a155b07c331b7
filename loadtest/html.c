#include "html.h"

#include "display.h"

#include <math.h>
#include <string.h>

#define DIGITS 3
#define WHOLE_FROM 100.0
#define WHOLE_TO 1e15

_Static_assert(HTML_NUMBER_SIZE >= DISPLAY_NUMBER_SIZE, "one buffer takes both");

static const char *entity_of(char c) {
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void html_text(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        const char *entity = entity_of(*text);
        if (entity != NULL)
            fputs(entity, out);
        else
            fputc(((unsigned char)*text < ' ' && *text != '\n') || *text == 0x7f ? ' ' : *text, out);
    }
}

/* Puts commas into the digits before the point. */
static void group_digits(char text[HTML_NUMBER_SIZE]) {
    size_t len = strcspn(text, "."), first = text[0] == '-' ? 1 : 0;
    for (size_t at = len; at > first + 3 && strlen(text) + 1 < HTML_NUMBER_SIZE; at -= 3) {
        memmove(text + at - 2, text + at - 3, strlen(text + at - 3) + 1);
        text[at - 3] = ',';
    }
}

const char *html_number(double number, char text[HTML_NUMBER_SIZE]) {
    double size = fabs(number);
    if (size < WHOLE_FROM || !(size < WHOLE_TO))
        return display_number(number, DIGITS, text);
    snprintf(text, HTML_NUMBER_SIZE, "%.0f", number);
    group_digits(text);
    return text;
}
