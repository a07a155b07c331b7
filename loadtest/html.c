#include "html.h"

#include <math.h>
#include <string.h>

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

static void drop_zeros(char *text) {
    if (strchr(text, '.') == NULL)
        return;
    size_t len = strlen(text);
    while (text[len - 1] == '0')
        len--;
    if (text[len - 1] == '.')
        len--;
    text[len] = '\0';
}

const char *html_number(double number, char text[HTML_NUMBER_SIZE]) {
    double size = fabs(number);
    if (!isfinite(number) || size >= 1e15) {
        snprintf(text, HTML_NUMBER_SIZE, "very many");
        return text;
    }
    int decimals = size >= 99.95 || size == 0 ? 0 : (size >= 9.995 ? 1 : (size >= 0.9995 ? 2 : 3));
    snprintf(text, HTML_NUMBER_SIZE, "%.*f", decimals, number);
    drop_zeros(text);
    group_digits(text);
    return text;
}
