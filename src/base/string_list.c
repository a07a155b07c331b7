#include "jwtd/string_list.h"

#include <stdlib.h>
#include <string.h>

bool string_list_copy(const struct string_list *list, struct string_list *copy) {
    *copy = (struct string_list){ .items = (char **)calloc(list->count + 1, sizeof(char *)) };
    if (copy->items == NULL)
        return false;
    for (; copy->count < list->count; copy->count++) {
        copy->items[copy->count] = strdup(list->items[copy->count]);
        if (copy->items[copy->count] == NULL) {
            string_list_fini(copy);
            return false;
        }
    }
    return true;
}

void string_list_fini(struct string_list *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free((void *)list->items);
    *list = (struct string_list){ 0 };
}
