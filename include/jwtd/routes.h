/* routes: the table of all endpoints of the service (src/api/routes.c). */
#ifndef JWTD_ROUTES_H
#define JWTD_ROUTES_H

#include "jwtd/route.h"

#include <stddef.h>

extern const struct route routes[];
extern const size_t routes_count;

#endif
