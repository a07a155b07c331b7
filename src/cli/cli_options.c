/* The table of options that not every command takes. */
#include "jwtd/cli.h"
#include "jwtd/macros.h"

const struct cli_option cli_options[] = {
    { "--status", NULL, "change nothing; list the migrations that are applied and pending", CLI_STATUS },
    { "--if-missing", NULL, "make only what is missing", CLI_IF_MISSING },
    { "--role", "ROLE", "a role of the new user; may be repeated", CLI_ROLE },
    { "--algorithm", "NAME",
      "of the key: hs256 (a secret that every verifier needs), es256 or rs256 (a pair, of which verifiers need the public key)",
      CLI_ALGORITHM },
    { "--json", NULL, "print one JSON array, for programs", CLI_JSON },
    { "--now", NULL, "do not wait for others to have read the new key", CLI_NOW },
    { "--connect", NULL, "try the database, its schema and the keys, too", CLI_CONNECT },
    { "--ready", NULL, "whether it is ready to serve: its database, schema and keys", CLI_READY },
};
const size_t cli_options_count = ARRAY_LEN(cli_options);
_Static_assert(ARRAY_LEN(cli_options) <= CLI_OPTIONS_MAX, "main has room for all of them");
