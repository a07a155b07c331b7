#include "transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

static SSL_CTX *tls_context;

/* ---- plain ---- */

static void *plain_open(int fd, const struct target *target, bool *failed) {
    (void)fd;
    (void)target;
    *failed = false;
    return NULL;
}

static enum transport_result plain_handshake(void *state, int fd) {
    (void)state;
    (void)fd;
    return TRANSPORT_OK;
}

static struct transport_io plain_result(ssize_t moved, enum transport_result again) {
    if (moved > 0)
        return (struct transport_io){ TRANSPORT_OK, (size_t)moved };
    if (moved == 0)
        return (struct transport_io){ TRANSPORT_CLOSED, 0 };
    return (struct transport_io){ errno == EAGAIN || errno == EINTR ? again : TRANSPORT_FAILED, 0 };
}

static struct transport_io plain_read(void *state, int fd, char *bytes, size_t size) {
    (void)state;
    return plain_result(recv(fd, bytes, size, 0), TRANSPORT_WANTS_READ);
}

static struct transport_io plain_write(void *state, int fd, const char *bytes, size_t len) {
    (void)state;
    return plain_result(send(fd, bytes, len, MSG_NOSIGNAL), TRANSPORT_WANTS_WRITE);
}

static void plain_close(void *state) {
    (void)state;
}

const struct transport transport_plain = { plain_open, plain_handshake, plain_read, plain_write, plain_close };

/* ---- TLS ---- */

bool transport_tls_init(bool verify_peer) {
    tls_context = SSL_CTX_new(TLS_client_method());
    if (tls_context == NULL)
        return false;
    /* the rest of a request may be sent from a copy, and in parts */
    SSL_CTX_set_mode(tls_context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    /* a peer that closes without close_notify ends a reply as any other end does: response_close knows whether it was whole */
    SSL_CTX_set_options(tls_context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (!verify_peer)
        return true;
    SSL_CTX_set_verify(tls_context, SSL_VERIFY_PEER, NULL);
    return SSL_CTX_set_default_verify_paths(tls_context) == 1;
}

void transport_tls_fini(void) {
    SSL_CTX_free(tls_context);
    tls_context = NULL;
}

/* RFC 6066 section 3: a name, never an address, goes into the server name. Certificates may name either. */
static bool set_name(SSL *ssl, const char *name) {
    unsigned char address[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    return SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1;
}

static void *tls_open(int fd, const struct target *target, bool *failed) {
    static const unsigned char protocols[] = "\x08http/1.1";
    SSL *ssl = SSL_new(tls_context);
    *failed = ssl == NULL || SSL_set_fd(ssl, fd) != 1 || !set_name(ssl, target->name) ||
              SSL_set_alpn_protos(ssl, protocols, sizeof protocols - 1) != 0;
    if (!*failed)
        return ssl;
    SSL_free(ssl);
    return NULL;
}

static enum transport_result tls_error(SSL *ssl, int returned) {
    int error = SSL_get_error(ssl, returned);
    if (error == SSL_ERROR_WANT_READ)
        return TRANSPORT_WANTS_READ;
    if (error == SSL_ERROR_WANT_WRITE)
        return TRANSPORT_WANTS_WRITE;
    return error == SSL_ERROR_ZERO_RETURN ? TRANSPORT_CLOSED : TRANSPORT_FAILED;
}

/* A peer that speaks HTTP answers a handshake with text, or closes: neither begins as a record of TLS does. */
static bool is_other_protocol(enum transport_result result) {
    int reason = ERR_GET_REASON(ERR_peek_error());
    return result == TRANSPORT_CLOSED || reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST ||
           reason == SSL_R_PACKET_LENGTH_TOO_LONG || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING;
}

static enum transport_result tls_handshake(void *state, int fd) {
    (void)fd;
    ERR_clear_error();
    int returned = SSL_connect(state);
    if (returned == 1)
        return TRANSPORT_OK;
    enum transport_result result = tls_error(state, returned);
    if (result == TRANSPORT_WANTS_READ || result == TRANSPORT_WANTS_WRITE)
        return result;
    if (SSL_get_verify_result(state) != X509_V_OK)
        return TRANSPORT_UNTRUSTED;
    return is_other_protocol(result) ? TRANSPORT_NO_TLS : result;
}

/* The queue of errors belongs to the thread, and what an earlier connection left there would be taken for this one's. */
static struct transport_io tls_read(void *state, int fd, char *bytes, size_t size) {
    (void)fd;
    size_t len = 0;
    ERR_clear_error();
    int returned = SSL_read_ex(state, bytes, size, &len);
    return (struct transport_io){ returned == 1 ? TRANSPORT_OK : tls_error(state, returned), len };
}

static struct transport_io tls_write(void *state, int fd, const char *bytes, size_t len) {
    (void)fd;
    size_t written = 0;
    ERR_clear_error();
    int returned = SSL_write_ex(state, bytes, len, &written);
    return (struct transport_io){ returned == 1 ? TRANSPORT_OK : tls_error(state, returned), written };
}

static void tls_close(void *state) {
    SSL_free(state);
}

const struct transport transport_tls = { tls_open, tls_handshake, tls_read, tls_write, tls_close };
