/* routes: the table of every endpoint of the service; whoever reads routes.c knows what there is. */
#ifndef JWTD_ROUTES_H
#define JWTD_ROUTES_H

#include "jwtd/request.h"

#include <stddef.h>

extern const struct route routes[];
extern const size_t routes_count;

#endif
