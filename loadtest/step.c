/* How a step runs: the second half of bench.h. */
#include "bench.h"
#include "instant.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLL_EVERY_US 50000U
#define POLLS_MAX 4096 /* of the step that are kept; then every other is dropped */
#define LITTLE_TOLERANCE 0.2
#define LINES_MAX 3600   /* of a step in the record: a step of days has a line a minute or so */
#define LITTLE_FLOOR 3.0 /* requests in flight under which sampling is too coarse to say */

/* What is collected while a step runs. */
struct watch {
    struct bench *bench;
    const struct bench_step *step;
    enum run_phase phase;
    double load, load_end;
    int64_t begin_ns, second_ns;
    struct sample *at_begin, *a_second_ago, *at_stop; /* at_stop: when the arrivals were over */
    double in_flight[POLLS_MAX], times[POLLS_MAX];
    size_t polls;
    double in_flight_sum, waiting_sum, connections_sum; /* of the present second */
    unsigned second_polls;
    double all_in_flight_sum, all_waiting_sum, all_connections_sum;
    unsigned all_polls;
    struct run_figures at_end; /* when the arrivals were over: what came later was not served at that rate */
};

static double ms(int64_t ns) {
    return (double)ns / (double)NS_PER_MS;
}

/* ---- figures ---- */

void bench_figures(const struct objectives *objectives, const struct engine_view *view, double seconds,
                   struct run_figures *figures) {
    struct tally *total = calloc(1, sizeof *total);
    if (total == NULL)
        return;
    for (size_t i = 0; i < ENDPOINTS; i++)
        tally_add(total, &view->tallies[i]);
    const struct histogram *latency = &total->latency;
    figures->due = (double)total->due;
    figures->ok = (double)total->classes[REPLY_OK];
    figures->shed = (double)total->classes[REPLY_SHED];
    figures->failed = (double)tally_failed(total);
    figures->good = (double)objectives_goodput(objectives, view->tallies);
    figures->offered = figures->due / seconds;
    figures->served = figures->ok / seconds;
    figures->goodput = figures->good / seconds;
    figures->p50 = ms(histogram_percentile(latency, 0.5));
    figures->p90 = ms(histogram_percentile(latency, 0.9));
    figures->p99 = ms(histogram_percentile(latency, 0.99));
    figures->p999 = ms(histogram_percentile(latency, 0.999));
    figures->max = ms(histogram_percentile(latency, 1));
    figures->mean = histogram_mean(latency) / (double)NS_PER_MS;
    figures->wait_ms = view->issued == 0 ? 0 : (double)view->wait_sum_ns / (double)view->issued / (double)NS_PER_MS;
    figures->lag_ms = ms(histogram_percentile(&view->lag, 0.99));
    free(total);
}

static struct sample *take_sample(struct bench *bench) {
    int pids[ENGINE_WORKERS_MAX];
    size_t count = engine_pids(bench->engine, pids);
    return sample_take(&bench->samples, pids, count);
}

/* ---- every second ---- */

static void end_second(struct watch *watch, int64_t now_ns) {
    struct bench *bench = watch->bench;
    struct run_second *second = run_add_second(&bench->run);
    if (second == NULL)
        return;
    struct engine_view *view = calloc(1, sizeof *view);
    struct sample *sample = take_sample(bench);
    if (view == NULL || sample == NULL) {
        free(view);
        sample_destroy(sample);
        return;
    }
    second->at = ns_to_s(now_ns - bench->begin_ns);
    second->seconds = ns_to_s(now_ns - watch->second_ns);
    engine_read(bench->engine, view);
    engine_view_subtract(view, bench->mark);
    bench_figures(&bench->plan.objectives, view, second->seconds, &second->figures);
    if (watch->second_polls > 0) {
        second->figures.in_flight = watch->in_flight_sum / watch->second_polls;
        second->figures.waiting = watch->waiting_sum / watch->second_polls;
        second->figures.connections = watch->connections_sum / watch->second_polls;
    }
    if (watch->a_second_ago != NULL)
        sample_usage(watch->a_second_ago, sample, &second->usage);
    if (watch->a_second_ago != watch->at_begin)
        sample_destroy(watch->a_second_ago);
    watch->a_second_ago = sample;
    watch->second_ns = now_ns;
    watch->second_polls = 0;
    watch->in_flight_sum = watch->waiting_sum = watch->connections_sum = 0;
    engine_read(bench->engine, bench->mark);
    free(view);
    bench->crashed = bench->crashed || !samples_server_lives(&bench->samples);
    display_second(&bench->display, &bench->run, second);
}

/* ---- every poll ---- */

static void poll_workers(struct watch *watch, int64_t now_ns) {
    struct bench *bench = watch->bench;
    engine_read(bench->engine, bench->now);
    double in_flight = (double)bench->now->in_flight;
    watch->in_flight_sum += in_flight;
    watch->waiting_sum += (double)bench->now->waiting;
    watch->connections_sum += (double)bench->now->connections;
    watch->second_polls++;
    watch->all_in_flight_sum += in_flight;
    watch->all_waiting_sum += (double)bench->now->waiting;
    watch->all_connections_sum += (double)bench->now->connections;
    watch->all_polls++;
    if (watch->polls == POLLS_MAX) {
        watch->polls /= 2;
        for (size_t i = 0; i < watch->polls; i++) {
            watch->in_flight[i] = watch->in_flight[2 * i];
            watch->times[i] = watch->times[2 * i];
        }
    }
    watch->times[watch->polls] = ns_to_s(now_ns - watch->begin_ns);
    watch->in_flight[watch->polls++] = in_flight;
    engine_view_subtract(bench->now, bench->before);
}

/* Least squares over the second half of the step. */
static double backlog_growth(const struct watch *watch) {
    double sum_t = 0, sum_y = 0, sum_tt = 0, sum_ty = 0, n = 0;
    double last = watch->polls == 0 ? 0 : watch->times[watch->polls - 1];
    for (size_t i = 0; i < watch->polls; i++) {
        double t = watch->times[i], y = watch->in_flight[i];
        if (t < last / 2)
            continue;
        n++;
        sum_t += t;
        sum_y += y;
        sum_tt += t * t;
        sum_ty += t * y;
    }
    double divisor = n * sum_tt - sum_t * sum_t;
    return n < 4 || divisor <= 0 ? 0 : (n * sum_ty - sum_t * sum_y) / divisor;
}

static bool is_enough(struct watch *watch, int64_t now_ns) {
    struct bench *bench = watch->bench;
    if (bench_interrupted() || bench->crashed)
        return true;
    if (watch->step->enough == NULL)
        return false;
    struct bench_progress progress = { .phase = watch->phase,
                                       .view = bench->now,
                                       .trial = { .tallies = bench->now->tallies,
                                                  .seconds = ns_to_s(now_ns - watch->begin_ns),
                                                  .backlog_growth = backlog_growth(watch) } };
    return watch->step->enough(watch->step->context, &progress);
}

static void record_stop(struct watch *watch, int64_t now_ns) {
    struct bench *bench = watch->bench;
    bench_figures(&bench->plan.objectives, bench->now, fmax(ns_to_s(now_ns - watch->begin_ns), 1e-3), &watch->at_end);
    bench->backlog_growth = backlog_growth(watch);
    sample_destroy(watch->at_stop);
    watch->at_stop = take_sample(bench);
}

/* ---- the record ---- */

/* Little's law: what is in flight is the rate times the time that each one stays. */
static void audit(const struct watch *watch, struct run_step *step) {
    double time = 0, ended = 0;
    for (size_t i = 0; i < ENDPOINTS; i++) {
        const struct tally *tally = &step->tallies[i];
        time += (double)(tally->latency.sum_ns + tally->shed.sum_ns) / (double)NS_PER_S;
        ended += (double)tally->latency.total + (double)tally->shed.total;
    }
    double watched = watch->polls == 0 ? step->seconds : watch->times[watch->polls - 1];
    time -= (double)watch->bench->now->lag.sum_ns / (double)NS_PER_S; /* it counts as in flight when it is issued */
    step->little_expected = watched > 0 ? fmax(time, 0) / watched : 0;
    step->little_seen = watch->all_polls == 0 ? 0 : watch->all_in_flight_sum / watch->all_polls;
    double larger = fmax(step->little_expected, step->little_seen);
    double difference = fabs(step->little_expected - step->little_seen);
    step->little_agrees = ended == 0 || larger < LITTLE_FLOOR || difference <= LITTLE_TOLERANCE * larger;
}

static void record_means(const struct watch *watch, struct run_figures *figures) {
    if (watch->all_polls == 0)
        return;
    figures->in_flight = watch->all_in_flight_sum / watch->all_polls;
    figures->waiting = watch->all_waiting_sum / watch->all_polls;
    figures->connections = watch->all_connections_sum / watch->all_polls;
}

static struct run_step *record(struct watch *watch, int64_t end_ns) {
    struct bench *bench = watch->bench;
    struct run_step *step = run_add_step(&bench->run);
    if (step == NULL)
        return NULL;
    engine_read(bench->engine, bench->now);
    engine_view_subtract(bench->now, bench->before);
    step->phase = watch->phase;
    step->begin = ns_to_s(watch->begin_ns - bench->begin_ns);
    step->seconds = fmax(ns_to_s(end_ns - watch->begin_ns), 1e-3);
    step->load = watch->load;
    step->load_end = watch->load_end;
    memcpy(step->tallies, bench->now->tallies, sizeof bench->now->tallies);
    bench_figures(&bench->plan.objectives, bench->now, step->seconds, &step->figures);
    step->figures.offered = watch->at_end.offered;
    step->figures.served = watch->at_end.served;
    step->figures.goodput = watch->at_end.goodput;
    record_means(watch, &step->figures);
    audit(watch, step);
    if (watch->at_begin != NULL && watch->at_stop != NULL)
        sample_usage(watch->at_begin, watch->at_stop, &step->usage);
    return step;
}

static int64_t segments_end(const struct watch *watch, size_t segments) {
    int64_t length = watch->step->order.duration_ns;
    for (size_t i = 0; i < segments; i++)
        length += watch->step->order.segments[i].duration_ns;
    return length;
}

/* The first segment becomes a step of its own, and the second begins without a pause. */
static void begin_second_segment(struct watch *watch, int64_t now_ns) {
    struct bench *bench = watch->bench;
    end_second(watch, now_ns);
    record_stop(watch, now_ns);
    record(watch, now_ns);
    struct sample *last = watch->a_second_ago;
    if (watch->at_begin != last)
        sample_destroy(watch->at_begin);
    watch->at_begin = last;
    watch->begin_ns = now_ns;
    watch->polls = 0;
    watch->all_in_flight_sum = watch->all_waiting_sum = watch->all_connections_sum = 0;
    watch->all_polls = 0;
    watch->phase = watch->step->next_phase;
    watch->load = watch->load_end = watch->step->next_load;
    engine_read(bench->engine, bench->before);
    engine_read(bench->engine, bench->now);
    engine_view_subtract(bench->now, bench->before);
}

static int64_t line_interval_ns(const struct watch *watch) {
    const struct order *order = &watch->step->order;
    int64_t length = order->segments_count > 0 ? segments_end(watch, order->segments_count) : order->duration_ns;
    return length / LINES_MAX > NS_PER_S ? length / LINES_MAX : NS_PER_S;
}

/* Until every request has ended. The step's length is that of its arrivals: what is in flight then still ends, and is counted. */
static int64_t watch_until_done(struct watch *watch) {
    struct bench *bench = watch->bench;
    const struct order *order = &watch->step->order;
    int64_t order_begin = watch->begin_ns, stopped_ns = 0;
    int64_t arrivals_end = segments_end(watch, order->segments_count);
    int64_t interval_ns = line_interval_ns(watch);
    bool stopped = false; /* the workers */
    while (engine_state(bench->engine) == ENGINE_BUSY) {
        usleep(POLL_EVERY_US);
        int64_t now = instant_now();
        poll_workers(watch, now);
        if (now - watch->second_ns >= interval_ns)
            end_second(watch, now);
        if (order->segments_count == 2 && watch->begin_ns == order_begin && now >= order_begin + segments_end(watch, 1))
            begin_second_segment(watch, now);
        bool over = arrivals_end > 0 && now >= order_begin + arrivals_end;
        bool enough = !stopped && is_enough(watch, now);
        if (stopped_ns == 0 && (over || enough)) {
            stopped_ns = over ? order_begin + arrivals_end : now;
            record_stop(watch, now);
        }
        /* arrivals end by themselves, late ones included; what is left of scenario flows would take long */
        if (enough || (over && !stopped && bench->plan.scenario->is_flow)) {
            engine_stop(bench->engine);
            stopped = true;
        }
    }
    if (stopped_ns != 0)
        return stopped_ns;
    int64_t now = instant_now();
    poll_workers(watch, now);
    record_stop(watch, now);
    return now;
}

struct run_step *bench_run(struct bench *bench, const struct bench_step *asked) {
    struct watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return NULL;
    watch->bench = bench;
    watch->step = asked;
    watch->phase = asked->phase;
    watch->load = asked->load;
    watch->load_end = asked->load_end > 0 ? asked->load_end : asked->load;
    watch->at_begin = watch->a_second_ago = take_sample(bench);
    engine_read(bench->engine, bench->before);
    engine_read(bench->engine, bench->mark);
    watch->begin_ns = watch->second_ns = engine_begin(bench->engine, &asked->order);
    int64_t end = watch_until_done(watch);
    if (instant_now() - watch->second_ns > NS_PER_S / 4)
        end_second(watch, instant_now());
    bool trouble = engine_state(bench->engine) == ENGINE_TROUBLE;
    struct run_step *step = record(watch, end);
    if (watch->a_second_ago != watch->at_begin)
        sample_destroy(watch->a_second_ago);
    sample_destroy(watch->at_begin);
    sample_destroy(watch->at_stop);
    free(watch);
    if (trouble)
        bench_trouble(bench);
    return trouble ? NULL : step;
}
