/* notify: reports the state of the service to systemd (sd_notify(3)), by a datagram to the socket that NOTIFY_SOCKET names: a
 * path, or "@" and an abstract name. Without that variable it does nothing. Any thread. */
#ifndef JWTD_SERVER_NOTIFY_H
#define JWTD_SERVER_NOTIFY_H

/* "READY=1", "STOPPING=1", "RELOADING=1\nMONOTONIC_USEC=...", "WATCHDOG=1"; lines are separated by LF. A failure is logged, and
 * ignored otherwise. */
void notify_supervisor(const char *state);

#endif
