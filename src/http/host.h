/*
 * host: whether DNS could lead what Host names to another machine. A page whose own name does is of the same origin as whatever
 * answers there, so a browser lets it read the reply (DNS rebinding). Pure.
 */
#ifndef JWTD_HTTP_HOST_H
#define JWTD_HTTP_HOST_H

#include "jwtd/text.h"

#include <stdbool.h>

/* True for an IP address and for "localhost", each with or without a port, and for an empty value, which no browser sends. */
bool host_cannot_be_rebound(struct text host);

#endif
