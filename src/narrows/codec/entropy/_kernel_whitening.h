/* Adaptive linear prediction of signals, as whitening.py describes it: the same operations in double precision, in the
   same order, so that the results equal those of NumPy. Sums are not reordered and products are not fused. */

#include <math.h>

enum { OWN = 32, OTHER = 8, REACH = 3, MOST_TAPS = OWN + 2 * REACH * OTHER, MEMORIES = 3, PERIOD = 16, LANE = 8 };

static const double FADING[MEMORIES] = {0.75, 0.9375, 0.9921875};

typedef struct {
    int taps;
    double first, variance; /* the first value of the channel; a running mean of squared errors */
    double loss[MEMORIES], weights[MEMORIES][MOST_TAPS];
    double recent[MOST_TAPS + 1][MOST_TAPS], sums[MEMORIES][MOST_TAPS + 1][MOST_TAPS]; /* upper triangle; last row: target */
} Channel;

typedef struct {
    const int32_t *given; /* [items][channels][length] */
    int32_t *out;
    int64_t items, channels, length;
    int bits, inverse; /* bits: of the largest index */
    Channel *state;  /* [channels] */
    double *history; /* [channels][OWN + length], less the first value */
} Whitening;

INLINE double dot(const double *a, const double *b, int count)
{
    double sum[LANE];
    for (int lane = 0; lane < LANE; lane++)
        sum[lane] = a[lane] * b[lane];
    for (int start = LANE; start < count; start += LANE)
        for (int lane = 0; lane < LANE; lane++)
            sum[lane] += a[start + lane] * b[start + lane];
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

/* Solve the normal equations by elimination; weights stay zero where that fails. */
INLINE void solve(int taps, double (*sums)[MOST_TAPS], double *weights)
{
    double a[MOST_TAPS + 1][MOST_TAPS], factor[MOST_TAPS];
    for (int i = 0; i < taps; i++) {
        memcpy(a[i] + i, sums[i] + i, (size_t)(taps - i) * sizeof(double));
        a[i][i] = a[i][i] * (1 + 0x1p-40) + 0x1p-4;
    }
    double *target = a[taps];
    memcpy(target, sums[taps], (size_t)taps * sizeof(double));
    for (int j = 0; j < taps; j++) {
        for (int i = j + 1; i < taps; i++)
            factor[i] = a[j][i] / a[j][j];
        for (int i = j + 1; i < taps; i++)
            for (int k = i; k < taps; k++)
                a[i][k] -= factor[i] * a[j][k];
        for (int i = j + 1; i < taps; i++)
            target[i] -= factor[i] * target[j];
    }
    int good = 1;
    for (int j = taps - 1; j >= 0; j--) {
        weights[j] = target[j] / a[j][j];
        good &= weights[j] > -0x1p16 && weights[j] < 0x1p16;
        for (int i = 0; i < j; i++)
            target[i] -= a[i][j] * weights[j];
    }
    for (int i = 0; i < taps && !good; i++)
        weights[i] = 0;
}

INLINE void adapt(Channel *channel)
{
    int taps = channel->taps;
    for (int memory = 0; memory < MEMORIES; memory++) {
        for (int i = 0; i <= taps; i++)
            for (int k = i < taps ? i : 0; k < taps; k++)
                channel->sums[memory][i][k] = channel->sums[memory][i][k] * FADING[memory] + channel->recent[i][k];
        solve(taps, channel->sums[memory], channel->weights[memory]);
    }
    memset(channel->recent, 0, sizeof channel->recent);
}

/* The values that predict one: those before it of its channel, then the latest ones of the channels near it. */
INLINE void window(const Whitening *job, int64_t number, int64_t t, double *h)
{
    int64_t stride = OWN + job->length, last = number + REACH < job->channels - 1 ? number + REACH : job->channels - 1;
    const double *own = job->history + number * stride + OWN + t - 1;
    for (int i = 0; i < OWN; i++)
        *h++ = own[-i];
    for (int64_t other = number > REACH ? number - REACH : 0; other <= last; other++) {
        const double *latest = job->history + other * stride + OWN + t - (other > number);
        for (int i = 0; i < OTHER && other != number; i++)
            *h++ = latest[-i];
    }
}

/* The prediction of the values' mixture, less the first value of the channel; predicted: those of each memory. */
INLINE double mixture(const Channel *channel, const double *h, double *predicted)
{
    double least = channel->loss[0], sum = 0, total = 0;
    for (int memory = 1; memory < MEMORIES; memory++)
        least = channel->loss[memory] < least ? channel->loss[memory] : least;
    for (int memory = 0; memory < MEMORIES; memory++) {
        double share = least / channel->loss[memory];
        share *= share, share *= share, share *= share;
        predicted[memory] = h[0] + dot(channel->weights[memory], h, channel->taps);
        sum += share * predicted[memory];
        total += share;
    }
    return sum / total;
}

INLINE void learn(Channel *channel, int64_t t, double value, const double *h, double mixed, const double *predicted)
{
    double error = value - mixed, rate = t < 32 ? 1.0 / (double)t : 1.0 / 32;
    channel->variance += (error * error - channel->variance) * rate;
    double certainty = 1 / (channel->variance + 0.125), step = value - h[0];
    for (int memory = 0; memory < MEMORIES; memory++) {
        double miss = value - predicted[memory];
        channel->loss[memory] = (channel->loss[memory] * 0.9375 + miss * miss) + 0x1p-10;
    }
    for (int i = 0; i < channel->taps; i++) {
        double share = h[i] * certainty;
        channel->recent[channel->taps][i] += share * step;
        for (int k = i; k < channel->taps; k++)
            channel->recent[i][k] += share * h[k];
    }
    if (t % PERIOD == PERIOD - 1)
        adapt(channel);
}

INLINE void whiten(const Whitening *job)
{
    int64_t most = (int64_t)1 << job->bits;
    double h[MOST_TAPS], predicted[MEMORIES];
    int64_t stride = OWN + job->length;
    for (int64_t item = 0; item < job->items; item++) {
        memset(job->history, 0, (size_t)(job->channels * stride) * sizeof(double));
        memset(job->state, 0, (size_t)job->channels * sizeof(Channel));
        for (int64_t number = 0; number < job->channels; number++) {
            int64_t before = number < REACH ? number : REACH, after = job->channels - 1 - number;
            job->state[number].taps = (int)(OWN + OTHER * (before + (after < REACH ? after : REACH)));
            for (int memory = 0; memory < MEMORIES; memory++)
                job->state[number].loss[memory] = 1;
        }
        for (int64_t t = 0; t < job->length; t++)
            for (int64_t number = 0; number < job->channels; number++) {
                Channel *channel = job->state + number;
                int64_t at = (item * job->channels + number) * job->length + t, nearest = 0;
                double mixed = 0;
                if (t) {
                    window(job, number, t, h);
                    mixed = mixture(channel, h, predicted);
                    double whole = floor(mixed + 0.5) + channel->first;
                    nearest = (int64_t)(whole < -most ? -most : whole > most - 1 ? most - 1 : whole);
                }
                int64_t sum = job->inverse ? nearest + job->given[at] : job->given[at] - nearest;
                job->out[at] = (int32_t)(((sum + most) & (2 * most - 1)) - most);
                double value = job->inverse ? job->out[at] : job->given[at];
                if (!t)
                    channel->first = value;
                value -= channel->first;
                job->history[number * stride + OWN + t] = value;
                if (t)
                    learn(channel, t, value, h, mixed, predicted);
            }
    }
}

VNNI static void whiten_vnni(const Whitening *job) { whiten(job); }
AVX2 static void whiten_avx2(const Whitening *job) { whiten(job); }

static PyObject *whitening(PyObject *self, PyObject *arguments)
{
    PyObject *result = NULL;
    Py_buffer given, out;
    int channels, length;
    Whitening job = {0};
    if (!PyArg_ParseTuple(arguments, "y*w*iiip", &given, &out, &channels, &length, &job.bits, &job.inverse))
        return NULL;
    int64_t size = 4 * (int64_t)channels * length;
    if (channels < 1 || length < 1 || job.bits < 1 || job.bits > 24 || given.len != out.len || given.len % size) {
        wrong("arrays of other sizes than the signals");
        goto done;
    }
    job.given = given.buf, job.out = out.buf, job.items = given.len / size, job.channels = channels, job.length = length;
    job.state = malloc((size_t)channels * sizeof(Channel));
    job.history = malloc((size_t)channels * (OWN + length) * sizeof(double));
    if (!job.state || !job.history) {
        PyErr_NoMemory();
    } else {
        Py_BEGIN_ALLOW_THREADS;
        (engine == &VNNI_ENGINE ? whiten_vnni : whiten_avx2)(&job);
        Py_END_ALLOW_THREADS;
        result = none();
    }
    free(job.state);
    free(job.history);
done:
    PyBuffer_Release(&given);
    PyBuffer_Release(&out);
    return result;
}
