/*
 * assets: files for browsers, embedded in the program at build time (web/, tools/embed_assets.sh).
 *
 * A page has a fixed path, and a client asks each time whether it has changed (ETag). What a page refers to has the hash of its
 * content in its path and may be kept for ever. Nothing is read from disk and nothing is copied: a reply is a pointer into the
 * program. On the thread that owns the request.
 */
#ifndef JWTD_ASSETS_H
#define JWTD_ASSETS_H

#include "jwtd/request.h"

/* Answers with the file at the request's path: 200, compressed for a client that takes gzip; 304 if it has it; 404 not_found if
 * there is none. */
enum step_result reply_asset(struct request *request);

/* The same for a page, with what it may do as Content-Security-Policy; it is sent to nobody as a Referer. */
enum step_result reply_page(struct request *request, const char *policy);

#endif
