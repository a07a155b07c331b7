/*
 * issuer: token.issuer, as far as it is the address of the service: from it follows whether there is anything to discover, and
 * where.
 *
 * A client that discovers asks below the issuer and compares `issuer` in the answer with what it asked for (RFC 8414
 * section 3.3), so only an issuer that is a URL can be discovered: https, with a host, without user, query and fragment (section
 * 2), or http to this machine, for development. An issuer like "jwtd" is a good one for tokens all the same. Pure functions; any
 * thread.
 */
#ifndef JWTD_ISSUER_H
#define JWTD_ISSUER_H

#include "jwtd/text.h"

/* NULL if the issuer can be discovered; else the reason why not, in words that follow its name. */
const char *issuer_obstacle(const char *issuer);

/* The base of all addresses of the service, borrowed: an issuer without the slash at its end. */
struct text issuer_base(const char *issuer);

#endif
