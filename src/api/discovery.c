/*
 * What a service that verifies tokens by itself needs to know: the public keys, and where everything is. Both are public, so
 * scripts of every origin may read them.
 *
 * The document of discovery is at the path of RFC 8414 and at that of OpenID Connect Discovery, which most clients ask for; RFC
 * 8414 section 5 calls the latter no claim to be OpenID Connect. It says only what is true: there are no grants and no
 * token_endpoint, since the service's own routes, not those of OAuth, issue its tokens. An issuer with a path has RFC 8414's form
 * of the address
 * (`/.well-known/oauth-authorization-server/PATH`) at the root of its host, where a proxy maps it to this route.
 */
#include "steps.h"

#include "jwtd/issuer.h"
#include "jwtd/json_writer.h"
#include "jwtd/jwks.h"
#include "jwtd/macros.h"
#include "jwtd/reply.h"
#include "jwtd/snapshot.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define FRESH "public, max-age=300" /* seconds; a key is published for longer before it signs (token.publish_before_use) */
#define ADDRESS_SIZE 512            /* token.issuer has 255 characters at most */

/* ---- keys ---- */

static enum step_result publish(struct request *request, const char *tag) {
    enum status status = reply_header(request, "Cache-Control", FRESH);
    if (status == STATUS_OK && tag != NULL)
        status = reply_header(request, "ETag", tag);
    if (status == STATUS_OK)
        status = reply_allow_any_origin(request);
    return status == STATUS_OK ? STEP_DONE : reply_problem(request, status);
}

static enum step_result show_keys(struct request *request) {
    const struct jwks *jwks = request->snapshot->jwks;
    reply_unless_kept(request, jwks_tag(jwks), JWKS_MEDIA_TYPE, jwks_text(jwks));
    return publish(request, jwks_tag(jwks));
}

/* ---- discovery ---- */

static const struct {
    const char *member, *path;
    bool (*is_there)(const struct config *config); /* NULL: always */
} addresses[] = {
    { "jwks_uri", "/.well-known/jwks.json", NULL },
    { "introspection_endpoint", "/auth/introspect", NULL },
    { "revocation_endpoint", "/auth/revoke", NULL },
    { "service_documentation", "/docs", docs_are_enabled },
};

static void write_address(struct json_writer *writer, struct text base, const char *member, const char *path) {
    char address[ADDRESS_SIZE];
    int len = snprintf(address, sizeof address, "%.*s%s", (int)base.len, base.bytes, path);
    assert(len > 0 && len < ADDRESS_SIZE);
    json_member_string(writer, member, address);
}

/* Of one element; NULL: of none. */
static void write_list(struct json_writer *writer, const char *member, const char *element) {
    json_name(writer, member);
    json_begin_array(writer);
    if (element != NULL)
        json_write_string(writer, element);
    json_end_array(writer);
}

static enum step_result show_discovery(struct request *request) {
    struct json_writer writer;
    const char *issuer = request->snapshot->config.token.issuer;
    if (issuer_obstacle(issuer) != NULL)
        return reply_problem(request, STATUS_NOT_DISCOVERABLE);
    json_writer_init(&writer, request->arena);
    json_begin_object(&writer);
    json_member_string(&writer, "issuer", issuer);
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++)
        if (addresses[i].is_there == NULL || addresses[i].is_there(&request->snapshot->config))
            write_address(&writer, issuer_base(issuer), addresses[i].member, addresses[i].path);
    /* the first is required; without the second a client assumes two grants of OAuth (RFC 8414 section 2) */
    write_list(&writer, "response_types_supported", NULL);
    write_list(&writer, "grant_types_supported", NULL);
    write_list(&writer, "introspection_endpoint_auth_methods_supported", "client_secret_basic");
    write_list(&writer, "revocation_endpoint_auth_methods_supported", "client_secret_basic");
    json_name(&writer, "access_token_signing_alg_values_supported");
    jwks_write_algorithms(request->snapshot->jwks, &writer);
    json_end_object(&writer);
    reply_json(request, 200, &writer);
    return publish(request, NULL);
}

static const struct reply_member discovery_members[] = {
    { .name = "issuer", .type = REPLY_STRING, .description = "Setting token.issuer", .format = "uri" },
    { .name = "jwks_uri", .type = REPLY_STRING, .description = "The public keys", .format = "uri" },
    { .name = "introspection_endpoint", .type = REPLY_STRING, .description = "RFC 7662", .format = "uri" },
    { .name = "revocation_endpoint", .type = REPLY_STRING, .description = "RFC 7009", .format = "uri" },
    { .name = "service_documentation",
      .type = REPLY_STRING,
      .optional = true,
      .description = "The page for people, where there is one",
      .format = "uri" },
    { .name = "response_types_supported",
      .type = REPLY_ARRAY,
      .description = "None: tokens are issued by POST /auth/login",
      .example = "[]" },
    { .name = "grant_types_supported", .type = REPLY_ARRAY, .description = "None", .example = "[]" },
    { .name = "introspection_endpoint_auth_methods_supported",
      .type = REPLY_ARRAY,
      .description = "How a service authenticates",
      .example = "[\"client_secret_basic\"]" },
    { .name = "revocation_endpoint_auth_methods_supported",
      .type = REPLY_ARRAY,
      .description = "How a service authenticates",
      .example = "[\"client_secret_basic\"]" },
    { .name = "access_token_signing_alg_values_supported",
      .type = REPLY_ARRAY,
      .description = "Of the published keys",
      .example = "[\"ES256\"]" },
};
const struct reply_schema discovery_reply = { discovery_members, ARRAY_LEN(discovery_members), "Discovery" };

const struct step keys_show = { "show_keys", ON_HTTP, .run = show_keys };
const struct step discovery_show = { "show_discovery", ON_HTTP, .run = show_discovery };
