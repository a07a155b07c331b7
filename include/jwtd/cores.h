/* cores: how many processors this process may use, as the scheduler (or a container) allows. At least 1. Any thread. */
#ifndef JWTD_CORES_H
#define JWTD_CORES_H

unsigned cores_available(void);

#endif
