#include "settings.h"

#include <stdlib.h>
#include <string.h>

/* As it is printed, which is all that matters of it, but for a password that is left out. NULL: memory. */
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

bool config_compare(const struct config *one, const struct config *other, void (*visit)(const char *name, void *context),
                    void *context) {
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        char *first = text_of_value(&settings[i], one), *second = text_of_value(&settings[i], other);
        bool is_known = first != NULL && second != NULL;
        if (is_known && strcmp(first, second) != 0)
            visit(settings[i].name, context);
        free(first);
        free(second);
        if (!is_known)
            return false;
    }
    return true;
}
