#include "run_members.h"

#include "run.h"

#define NUMBER_AS(name, type, member)                                                                                            \
    { name, MEMBER_NUMBER, offsetof(struct type, member), 0, NULL, NULL, false }
#define NUMBER(type, member) NUMBER_AS(#member, type, member)
#define WHOLE(type, member)                                                                                                      \
    { #member, MEMBER_WHOLE, offsetof(struct type, member), 0, NULL, NULL, false }
#define TEXT_AS(name, type, member)                                                                                              \
    { name, MEMBER_TEXT, offsetof(struct type, member), sizeof(((struct type *)0)->member), NULL, NULL, false }
#define TEXT(type, member) TEXT_AS(#member, type, member)
#define FLAG(type, member)                                                                                                       \
    { #member, MEMBER_FLAG, offsetof(struct type, member), 0, NULL, NULL, false }
#define ENUM_AS(name, type, member, names)                                                                                       \
    { name, MEMBER_ENUM, offsetof(struct type, member), 0, NULL, names, false }
#define ENUM(type, member, names) ENUM_AS(#member, type, member, names)
#define STRUCT(type, member, table)                                                                                              \
    { #member, MEMBER_STRUCT, offsetof(struct type, member), 0, table, NULL, false }
#define LATER_NUMBER_AS(name, type, member)                                                                                      \
    { name, MEMBER_NUMBER, offsetof(struct type, member), 0, NULL, NULL, true }
#define LATER_NUMBER(type, member) LATER_NUMBER_AS(#member, type, member)
#define LATER_FLAG(type, member)                                                                                                 \
    { #member, MEMBER_FLAG, offsetof(struct type, member), 0, NULL, NULL, true }
#define LATER_TEXT(type, member)                                                                                                 \
    { #member, MEMBER_TEXT, offsetof(struct type, member), sizeof(((struct type *)0)->member), NULL, NULL, true }
#define END                                                                                                                      \
    { NULL, MEMBER_NUMBER, 0, 0, NULL, NULL, false }

_Static_assert(sizeof(enum run_phase) == sizeof(int), "enums are read and written as ints");

static const struct member options_members[] = {
    TEXT(run_options, command),
    TEXT(run_options, line),
    TEXT(run_options, url),
    TEXT(run_options, scenario),
    TEXT(run_options, unit),
    TEXT(run_options, slo),
    ENUM(run_options, arrivals, &arrivals_names),
    ENUM(run_options, by, &run_by_names),
    NUMBER(run_options, seed),
    NUMBER(run_options, workers),
    NUMBER(run_options, connections_max),
    NUMBER(run_options, timeout_s),
    FLAG(run_options, new_connections),
    FLAG(run_options, tls),
    NUMBER(run_options, slo_latency_ms),
    LATER_NUMBER(run_options, core_price),
    END,
};

static const struct member machine_members[] = {
    TEXT(run_machine, cpu),     TEXT(run_machine, kernel),          TEXT(run_machine, host),
    NUMBER(run_machine, cores), NUMBER(run_machine, memory_mib),    LATER_NUMBER(run_machine, server_idle_mib),
    TEXT(run_machine, server),  TEXT(run_machine, hash_parameters), END,
};

static const struct member figures_members[] = {
    NUMBER(run_figures, due),         NUMBER(run_figures, ok),      NUMBER(run_figures, good),      NUMBER(run_figures, shed),
    NUMBER(run_figures, failed),      NUMBER(run_figures, offered), NUMBER(run_figures, served),    NUMBER(run_figures, goodput),
    NUMBER(run_figures, p50),         NUMBER(run_figures, p90),     NUMBER(run_figures, p99),       NUMBER(run_figures, p999),
    NUMBER(run_figures, max),         NUMBER(run_figures, mean),    NUMBER(run_figures, in_flight), NUMBER(run_figures, waiting),
    NUMBER(run_figures, connections), NUMBER(run_figures, wait_ms), NUMBER(run_figures, lag_ms),    END,
};

static const struct member usage_members[] = {
    NUMBER(usage, seconds),
    NUMBER(usage, machine_cores),
    NUMBER(usage, machine_busy),
    NUMBER(usage, generator_cores),
    NUMBER(usage, listen_overflows),
    FLAG(usage, server_known),
    NUMBER(usage, server_cores),
    NUMBER(usage, rss_mib),
    NUMBER(usage, descriptors),
    NUMBER(usage, descriptors_max),
    NUMBER(usage, threads),
    FLAG(usage, cgroup_known),
    NUMBER(usage, quota_cores),
    NUMBER(usage, throttled_share),
    NUMBER(usage, memory_limit_mib),
    FLAG(usage, database_known),
    NUMBER(usage, database_cores),
    NUMBER(usage, database_active),
    NUMBER(usage, database_waiting),
    NUMBER(usage, database_connections),
    NUMBER(usage, database_connections_max),
    END,
};

const struct member second_members[] = {
    NUMBER(run_second, at),
    NUMBER(run_second, seconds),
    STRUCT(run_second, figures, figures_members),
    STRUCT(run_second, usage, usage_members),
    END,
};

const struct member step_members[] = {
    ENUM(run_step, phase, &run_phase_names),
    NUMBER(run_step, begin),
    NUMBER(run_step, seconds),
    NUMBER(run_step, load),
    NUMBER(run_step, load_end),
    ENUM(run_step, verdict, &step_verdict_names),
    TEXT(run_step, why),
    FLAG(run_step, generator_limited),
    NUMBER(run_step, little_expected),
    NUMBER(run_step, little_seen),
    FLAG(run_step, little_agrees),
    STRUCT(run_step, figures, figures_members),
    STRUCT(run_step, usage, usage_members),
    END,
};

const struct member trend_members[] = {
    TEXT(run_trend, name),          TEXT(run_trend, unit),
    NUMBER(run_trend, slope),       NUMBER(run_trend, low),
    NUMBER(run_trend, high),        NUMBER(run_trend, begin),
    NUMBER(run_trend, end),         FLAG(run_trend, grows),
    LATER_NUMBER(run_trend, worth), END,
};

const struct member metric_members[] = { TEXT(metric, name), NUMBER(metric, before), NUMBER(metric, after), END };

static const struct member verdict_members[] = {
    WHOLE(run_verdict, exit_code),
    TEXT(run_verdict, headline),
    TEXT_AS("because", run_verdict, cause.text),
    ENUM_AS("cause_kind", run_verdict, cause.kind, &cause_names),
    NUMBER_AS("cause_utilisation", run_verdict, cause.utilisation),
    NUMBER(run_verdict, knee),
    NUMBER(run_verdict, limit),
    NUMBER(run_verdict, collapse),
    NUMBER(run_verdict, safe),
    FLAG(run_verdict, at_least),
    ENUM(run_verdict, beyond, &run_collapse_names),
    FLAG(run_verdict, recovered),
    NUMBER(run_verdict, recovery),
    LATER_FLAG(run_verdict, recovering),
    LATER_NUMBER(run_verdict, overload_p50),
    LATER_NUMBER(run_verdict, uncertainty),
    LATER_TEXT(run_verdict, drift),
    LATER_NUMBER_AS("errors_per_million", run_verdict, cost.errors_per_million),
    LATER_NUMBER_AS("memory_per_1000", run_verdict, cost.memory_mib),
    LATER_NUMBER_AS("cores_per_1000", run_verdict, cost.cores),
    LATER_NUMBER_AS("price_per_1000", run_verdict, cost.price),
    FLAG(run_verdict, generator_limited),
    FLAG(run_verdict, interrupted),
    END,
};

const struct member run_members[] = {
    NUMBER(run, started),
    NUMBER(run, seconds),
    STRUCT(run, options, options_members),
    STRUCT(run, machine, machine_members),
    STRUCT(run, verdict, verdict_members),
    END,
};
