/* notify: tells systemd how the service is doing (sd_notify(3)): a datagram to the socket that NOTIFY_SOCKET names, a path, or,
 * behind "@", an abstract name. Without that variable it does nothing. Any thread. */
#ifndef JWTD_SERVER_NOTIFY_H
#define JWTD_SERVER_NOTIFY_H

/* "READY=1", "STOPPING=1", "RELOADING=1\nMONOTONIC_USEC=...", "WATCHDOG=1"; lines are separated by LF. */
void notify_supervisor(const char *state);

#endif
