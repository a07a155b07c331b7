/*
 * curl_library: libcurl, loaded when the first exporter is made: with the libraries that it needs it takes a megabyte, which a
 * service that traces nothing does without. Its functions have their own names, as members.
 */
#ifndef JWTD_TRACE_CURL_LIBRARY_H
#define JWTD_TRACE_CURL_LIBRARY_H

#include <curl/curl.h>

struct curl_library {
    __typeof__(curl_global_init) *global_init;
    __typeof__(curl_easy_init) *easy_init;
    __typeof__(curl_easy_setopt) *easy_setopt;
    __typeof__(curl_easy_perform) *easy_perform;
    __typeof__(curl_easy_getinfo) *easy_getinfo;
    __typeof__(curl_easy_strerror) *easy_strerror;
    __typeof__(curl_easy_cleanup) *easy_cleanup;
    __typeof__(curl_slist_append) *slist_append;
    __typeof__(curl_slist_free_all) *slist_free_all;
};

/* Loaded and initialised, for as long as the process lives. NULL: it is not there, or cannot be initialised; the reason is
 * logged. One thread at a time. */
const struct curl_library *curl_library_load(void);

#endif
