/* version: the one place that says which jwtd this is. */
#ifndef JWTD_VERSION_H
#define JWTD_VERSION_H

#define JWTD_VERSION "0.1.0"

/* The abbreviated commit that the program was built from, with "-dirty" behind it when files had changed; "unknown" without git.
 * Of a file that the Makefile makes. */
extern const char jwtd_commit[];

#endif
