/* version: the one place that says which jwtd this is. */
#ifndef JWTD_VERSION_H
#define JWTD_VERSION_H

#define JWTD_VERSION "0.1.0"

#endif
