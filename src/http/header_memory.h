/* header_memory: how much of a connection's memory in the library (library.h) the header of a request may take. */
#ifndef JWTD_HTTP_HEADER_MEMORY_H
#define JWTD_HTTP_HEADER_MEMORY_H

/* Bytes of the header with the request line, and a record of the library's for each field, as it is on 64-bit machines. */
#define HEADER_MEMORY_MAX 8192
#define HEADER_FIELD_RECORD 64

#endif
