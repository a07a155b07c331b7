/* The types of settings that are lists. Elements are separated by commas, white space or both. */
#include "settings.h"

#include "jwtd/profile_claims.h"

#include <stdlib.h>
#include <string.h>

static const char separators[] = ", \t";

/* Returns the next element and moves *rest behind it; {.len = 0} at the end. */
static struct text take_element(const char **rest) {
    const char *start = *rest + strspn(*rest, separators);
    size_t len = strcspn(start, separators);
    *rest = start + len;
    return (struct text){ start, len };
}

static bool parse_networks(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    (void)setting;
    struct cidr_list list = { .count = 0 };
    for (struct text element = take_element(&text); element.len > 0; element = take_element(&text)) {
        if (list.count == CIDR_LIST_MAX) {
            snprintf(error, ERROR_SIZE, "must not hold more than %d networks", CIDR_LIST_MAX);
            return false;
        }
        if (!cidr_parse(element, &list.items[list.count]))
            return setting_reject(error, "must be networks like 192.0.2.10/32 or ::1, without bits behind the prefix");
        list.count++;
    }
    *(struct cidr_list *)place = list;
    return true;
}

static void print_networks(const struct setting *setting, const void *place, FILE *out) {
    (void)setting;
    const struct cidr_list *list = (const struct cidr_list *)place;
    for (size_t i = 0; i < list->count; i++) {
        char text[CIDR_TEXT_SIZE];
        fprintf(out, "%s%s", i > 0 ? " " : "", cidr_text(&list->items[i], text));
    }
}

/* The length of the scheme with its "://", 0 if there is none (RFC 3986 section 3.1; browsers write it in lower case). */
static size_t scheme_len(struct text origin) {
    size_t len = 0;
    while (len < origin.len && ((origin.bytes[len] >= 'a' && origin.bytes[len] <= 'z') ||
                                (len > 0 && strchr("0123456789+.-", origin.bytes[len]) != NULL)))
        len++;
    bool is_scheme = len > 0 && origin.len - len > 3 && memcmp(origin.bytes + len, "://", 3) == 0;
    return is_scheme ? len + 3 : 0;
}

static bool is_host(struct text host) {
    struct address address;
    if (host.len > 2 && host.bytes[0] == '[')
        return host.bytes[host.len - 1] == ']' && address_parse(host, &address);
    return text_is_made_of(host, "abcdefghijklmnopqrstuvwxyz0123456789.-_", 1, SIZE_MAX);
}

/* A port as browsers write it: no zero in front, and never the scheme's own, which they leave out (RFC 6454 section 6.2). */
static bool is_origin_port(struct text origin, struct text port) {
    uint64_t number;
    if (!text_parse_unsigned(port, 65535, &number))
        return false;
    bool is_default =
        (strncmp(origin.bytes, "http:", 5) == 0 && number == 80) || (strncmp(origin.bytes, "https:", 6) == 0 && number == 443);
    return port.bytes[0] != '0' && !is_default;
}

static bool is_origin(struct text origin) {
    size_t start = scheme_len(origin);
    struct text host = { origin.bytes + start, origin.len - start };
    size_t colon = host.len;
    while (colon > 0 && host.bytes[colon - 1] != ':' && host.bytes[colon - 1] != ']')
        colon--;
    if (start == 0)
        return false;
    if (colon == 0 || host.bytes[colon - 1] == ']')
        return is_host(host);
    struct text port = { host.bytes + colon, host.len - colon };
    host.len = colon - 1;
    return is_origin_port(origin, port) && is_host(host);
}

static void release_strings(void *place) {
    string_list_fini((struct string_list *)place);
}

static bool copy_strings(const void *value, void *place) {
    return string_list_copy((const struct string_list *)value, (struct string_list *)place);
}

static bool add_string(struct string_list *list, struct text text) {
    list->items[list->count] = strndup(text.bytes, text.len);
    if (list->items[list->count] == NULL)
        return false;
    list->count++;
    return true;
}

static bool fill_origins(struct string_list *list, const char *text, char error[ERROR_SIZE]) {
    for (struct text element = take_element(&text); element.len > 0; element = take_element(&text)) {
        if (list->count == LIST_MAX) {
            snprintf(error, ERROR_SIZE, "must not hold more than %d origins", LIST_MAX);
            return false;
        }
        if (!is_origin(element)) {
            return setting_reject(error,
                                  "must be origins as browsers send them, like https://app.example.com or http://localhost:3000: "
                                  "lower case, no path, no default port, no wildcard");
        }
        if (!add_string(list, element))
            return setting_reject(error, OUT_OF_MEMORY);
    }
    return true;
}

static bool parse_origins(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    struct string_list list = { .items = (char **)calloc(LIST_MAX, sizeof(char *)) };
    if (list.items == NULL)
        return setting_reject(error, OUT_OF_MEMORY);
    if (!fill_origins(&list, text, error)) {
        release_strings(&list);
        return false;
    }
    setting->type->release(place);
    *(struct string_list *)place = list;
    return true;
}

static void print_origins(const struct setting *setting, const void *place, FILE *out) {
    (void)setting;
    const struct string_list *list = (const struct string_list *)place;
    for (size_t i = 0; i < list->count; i++)
        fprintf(out, "%s%s", i > 0 ? " " : "", list->items[i]);
}

static bool find_claim(struct text name, unsigned *claim) {
    for (*claim = 0; *claim < PROFILE_CLAIM_COUNT; ++*claim)
        if (text_equal(name, text_of(profile_claim_names[*claim])))
            return true;
    return false;
}

static bool parse_claims(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]) {
    unsigned set = 0, claim;
    (void)setting;
    for (struct text element = take_element(&text); element.len > 0; element = take_element(&text)) {
        if (!find_claim(element, &claim))
            return setting_reject(error, "must be claims of name, metadata and admin_metadata");
        set |= PROFILE_CLAIM_BIT(claim);
    }
    memcpy(place, &set, sizeof set);
    return true;
}

static void print_claims(const struct setting *setting, const void *place, FILE *out) {
    unsigned set;
    const char *separator = "";
    (void)setting;
    memcpy(&set, place, sizeof set);
    for (unsigned claim = 0; claim < PROFILE_CLAIM_COUNT; claim++) {
        if ((set & PROFILE_CLAIM_BIT(claim)) == 0)
            continue;
        fprintf(out, "%s%s", separator, profile_claim_names[claim]);
        separator = " ";
    }
}

const struct setting_type claims_setting = { sizeof(unsigned), parse_claims, print_claims, NULL, NULL };
const struct setting_type networks_setting = { sizeof(struct cidr_list), parse_networks, print_networks, NULL, NULL };
const struct setting_type origins_setting = { sizeof(struct string_list), parse_origins, print_origins, copy_strings,
                                              release_strings };
