/*
 * heap: how malloc (of glibc) takes memory from the kernel and returns it.
 *
 * While the service starts, a large piece is mapped by itself, so that a table that is almost empty takes only the pages in use,
 * and what the start has needed is returned. Later nothing is returned at once, since bursts of requests free and need it again;
 * memory_task.c returns what a load has left.
 *
 * Main thread, before others are started, and when all are.
 */
#ifndef JWTD_SERVER_HEAP_H
#define JWTD_SERVER_HEAP_H

void heap_begin_start(void);
void heap_end_start(void);

#endif
