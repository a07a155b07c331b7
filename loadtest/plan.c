#include "plan.h"

#include "engine.h"
#include "instant.h"
#include "jwtd/macros.h"
#include "options.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define DESCRIPTORS_KEPT 128U /* of each process, for everything that is no connection */
#define CONNECTIONS_DEFAULT 2000.0
#define ACCOUNTS_DEFAULT 16.0

static const char *const retry_after_items[] = { [RETRY_HONOUR] = "honour", [RETRY_IGNORE] = "ignore" };
const struct names retry_after_names = { retry_after_items, ARRAY_LEN(retry_after_items) };

const char *plan_email(const struct plan *plan, unsigned number, char email[EMAIL_SIZE]) {
    snprintf(email, EMAIL_SIZE, "%s%u%s", plan->email_before, plan->first_account + number - 1, plan->email_after);
    return email;
}

static unsigned raise_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur > 1000000 ? 1000000U : (unsigned)limit.rlim_cur;
}

static double or_default(double value, double instead) {
    return value > 0 ? value : instead;
}

/* As many processes as the descriptors ask for; one does 100,000 requests a second, so more are seldom of use beside a server. */
static bool divide_connections(struct plan *plan, const struct options *options, char *error, size_t error_size) {
    double wanted = or_default(options->connections, options->users > CONNECTIONS_DEFAULT ? options->users : CONNECTIONS_DEFAULT);
    unsigned descriptors = raise_descriptors();
    unsigned room = descriptors > 2 * DESCRIPTORS_KEPT ? descriptors - DESCRIPTORS_KEPT : DESCRIPTORS_KEPT;
    unsigned needed = ((unsigned)wanted + room - 1) / room;
    plan->workers = options->workers > 0 ? (unsigned)options->workers : needed;
    if (plan->workers < needed || plan->workers > ENGINE_WORKERS_MAX) {
        snprintf(error, error_size,
                 "%.0f connections need %u processes of %u descriptors each: use --workers %u (at most %d), or raise ulimit -n",
                 wanted, needed, descriptors, needed, ENGINE_WORKERS_MAX);
        return false;
    }
    plan->connections_max = ((unsigned)wanted + plan->workers - 1) / plan->workers;
    return true;
}

static bool take_email(struct plan *plan, const char *form) {
    const char *number = strstr(form, "{}");
    if (number == NULL || strlen(form) >= sizeof plan->email_before || strpbrk(form, "\"\\\r\n") != NULL)
        return false;
    snprintf(plan->email_before, sizeof plan->email_before, "%.*s", (int)(number - form), form);
    snprintf(plan->email_after, sizeof plan->email_after, "%s", number + 2);
    return true;
}

static bool is_printable(const char *text) {
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ')
            return false;
    return true;
}

static bool take_texts(struct plan *plan, const struct options *options, char *error, size_t error_size) {
    plan->scenario = scenario_find(options->scenario);
    const char *wrong = NULL;
    if (plan->scenario == NULL)
        wrong = "--scenario is one of register, login, refresh, me, verify, mixed, session";
    else if (!take_email(plan, options->email))
        wrong = "--email needs {} where the number of the account goes";
    else if (strlen(options->password) >= sizeof plan->password || !is_printable(options->password))
        wrong = "--password is too long, or has control characters";
    if (wrong != NULL) {
        snprintf(error, error_size, "%s", wrong);
        return false;
    }
    plan->arrivals = options->arrivals;
    plan->retry_after = options->retry_after;
    snprintf(plan->password, sizeof plan->password, "%s", options->password);
    return true;
}

bool plan_init(struct plan *plan, const struct options *options, char *error, size_t error_size) {
    *plan = (struct plan){ .seed = (uint64_t)options->seed };
    if (!target_init(&plan->target, options->operands[0], error, error_size) || !take_texts(plan, options, error, error_size) ||
        !divide_connections(plan, options, error, error_size))
        return false;
    const char *slo = options->slo != NULL ? options->slo : plan->scenario->slo;
    if (!objectives_parse(slo, &plan->objectives, error, error_size) || !api_init(&plan->api, options->api, error, error_size))
        return false;
    plan->sources = (unsigned)or_default(options->sources, 1);
    if (plan->sources > 1 && !plan->target.loopback4) {
        snprintf(error, error_size, "--sources works for targets on 127.0.0.0/8 only");
        return false;
    }
    plan->accounts = (unsigned)or_default(options->accounts, ACCOUNTS_DEFAULT);
    plan->first_account = 1 + (unsigned)options->accounts_before;
    plan->sessions = plan->scenario->sessions == 0 ? 0 : (unsigned)or_default(options->sessions, plan->scenario->sessions);
    if (plan->sessions > 0 && plan->sessions < plan->workers)
        plan->sessions = plan->workers;
    plan->seeded = options->seeded;
    plan->new_connections = options->new_connections;
    plan->verify_peer = !options->insecure;
    plan->timeout_ns = s_to_ns(options->timeout_s);
    plan->think_ns = s_to_ns(or_default(options->think_s, plan->scenario->is_flow ? 1 : 0));
    plan->artificial_delay_ns = (int64_t)(options->artificial_delay_us * (double)NS_PER_US);
    plan->once = options->once;
    snprintf(plan->run_tag, sizeof plan->run_tag, "%" PRIx64, (uint64_t)instant_now() & UINT64_C(0xffffffffff));
    return true;
}

void plan_fini(struct plan *plan) {
    api_fini(&plan->api);
}
