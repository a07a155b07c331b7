/* user_words: what `jwtd user --help` and the help of one subcommand both say. Lines, each ended by \n. */
#ifndef JWTD_USER_WORDS_H
#define JWTD_USER_WORDS_H

#define USER_LINE                                                                                                                \
    "id, e-mail address, roles separated by commas (\"-\": none), active or disabled, time of creation, and password,\n"         \
    "change-required (the next login sets a new one) or no-password (nobody can log in until set-password); separated by "       \
    "tabs.\n"
#define USER_SESSIONS                                                                                                            \
    "for each: id, opened, last used, expires, IP address, user agent; then, of the audit, for each that has ended: id,\n"       \
    "\"ended\", when, who ended it, IP address, reason. \"-\" is none.\n"
#define USER_EVENTS "for each: time, event, session, who did it, IP address, reason, detail. \"-\" is none.\n"
#define USER_LAST_ADMINISTRATOR                                                                                                  \
    "What would leave no administrator (role admin) who has a password and is not disabled is refused.\n"

#endif
