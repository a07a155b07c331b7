#include "curl_library.h"

#include "jwtd/log.h"
#include "jwtd/macros.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define FILE_NAME "libcurl.so.4" /* since 2006 */

static const struct {
    const char *name;
    size_t offset;
} functions[] = {
    { "curl_global_init", offsetof(struct curl_library, global_init) },
    { "curl_easy_init", offsetof(struct curl_library, easy_init) },
    { "curl_easy_setopt", offsetof(struct curl_library, easy_setopt) },
    { "curl_easy_perform", offsetof(struct curl_library, easy_perform) },
    { "curl_easy_getinfo", offsetof(struct curl_library, easy_getinfo) },
    { "curl_easy_strerror", offsetof(struct curl_library, easy_strerror) },
    { "curl_easy_cleanup", offsetof(struct curl_library, easy_cleanup) },
    { "curl_slist_append", offsetof(struct curl_library, slist_append) },
    { "curl_slist_free_all", offsetof(struct curl_library, slist_free_all) },
};
_Static_assert(ARRAY_LEN(functions) * sizeof(void *) == sizeof(struct curl_library), "one row for each member");

static bool find_functions(void *handle, struct curl_library *library) {
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        void *function = dlsym(handle, functions[i].name);
        if (function == NULL)
            return false;
        memcpy((char *)library + functions[i].offset, &function, sizeof function);
    }
    return true;
}

static const struct curl_library *fail(const char *reason) {
    log_event(LOG_ERROR, "curl_not_loaded", "reason=%s needed=%s", reason,
              "trace.otlp_endpoint needs libcurl: Debian's package libcurl4");
    return NULL;
}

const struct curl_library *curl_library_load(void) {
    static struct curl_library library;
    if (library.global_init != NULL)
        return &library;
    struct curl_library found = { .global_init = NULL };
    void *handle = dlopen(FILE_NAME, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL || !find_functions(handle, &found))
        return fail(dlerror());
    CURLcode code = found.global_init(CURL_GLOBAL_DEFAULT);
    if (code != CURLE_OK)
        return fail(found.easy_strerror(code));
    library = found;
    return &library;
}
