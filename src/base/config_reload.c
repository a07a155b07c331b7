/* One configuration made from others: a copy, and what a reload puts in force. */
#include "settings.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static bool copy_value(const struct setting *setting, const struct config *config, struct config *copy) {
    const void *value = setting_value(setting, config);
    void *place = setting_place(setting, copy);
    if (setting->type->copy != NULL)
        return setting->type->copy(value, place);
    memcpy(place, value, setting->type->size);
    return true;
}

bool config_copy(const struct config *config, struct config *copy) {
    *copy = (struct config){ 0 };
    for (size_t i = 0; i < settings_count; i++) {
        if (!copy_value(&settings[i], config, copy)) {
            config_fini(copy);
            return false;
        }
    }
    return true;
}

/* The value as it is printed: equal texts are equal values. NULL if out of memory. */
static char *text_of_value(const struct setting *setting, const struct config *config) {
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        return NULL;
    setting->type->print(setting, setting_value(setting, config), out);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static void free_text(char *text) {
    if (text != NULL)
        sodium_memzero(text, strlen(text));
    free(text);
}

static bool compare_values(const struct setting *setting, const struct config *one, const struct config *other, bool *differ) {
    char *first = text_of_value(setting, one), *second = text_of_value(setting, other);
    bool is_known = first != NULL && second != NULL;
    if (is_known)
        *differ = strcmp(first, second) != 0;
    free_text(first);
    free_text(second);
    return is_known;
}

bool config_reload(const struct config *in_force, const struct config *loaded, struct config *next,
                   void (*visit)(const char *name, bool takes_effect, void *context), void *context) {
    *next = (struct config){ 0 };
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting *setting = &settings[i];
        bool is_reloadable = (setting->flags & RELOADABLE) != 0, differ;
        if (!compare_values(setting, in_force, loaded, &differ) ||
            !copy_value(setting, is_reloadable ? loaded : in_force, next)) {
            config_fini(next);
            return false;
        }
        if (differ)
            visit(setting->name, is_reloadable, context);
    }
    return true;
}
