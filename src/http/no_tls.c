/*
 * This service speaks no TLS (a proxy in front of it does), but the HTTP library's constructor initialises GnuTLS all the same:
 * three quarters of a megabyte of an idle process. So the program defines what the constructors of both call, and the dynamic
 * linker prefers the program's definitions, as with recv (input.h). The first is GnuTLS's own way to leave it out, which
 * gnutls/gnutls.h calls GNUTLS_SKIP_GLOBAL_INIT. A use of GnuTLS after it would fail, not work unprotected: it has no
 * algorithms then.
 */

/* The names are GnuTLS's. NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
int _gnutls_global_init_skip(void);
int gnutls_global_init(void);
void gnutls_global_deinit(void);

__attribute__((visibility("default"))) int _gnutls_global_init_skip(void) {
    return 1;
}

__attribute__((visibility("default"))) int gnutls_global_init(void) {
    return 0;
}

__attribute__((visibility("default"))) void gnutls_global_deinit(void) {
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
