/* The functions of mixtures that Python calls. */

static PyObject *mixture_inputs(PyObject *self, PyObject *arguments)
{
    enum { BUFFERS = 11 };
    PyObject *result = NULL;
    Py_buffer b[BUFFERS]; /* windows, weights, means, starts, rings, near, logarithms, reciprocals; inputs, predicted, scale */
    MixtureInputs job = {0};
    if (!PyArg_ParseTuple(arguments, "iy*y*y*y*y*y*y*y*w*w*w*", &job.bits, b, b + 1, b + 2, b + 3, b + 4, b + 5, b + 6,
                          b + 7, b + 8, b + 9, b + 10))
        return NULL;
    job.windows = b[0].buf, job.weights = b[1].buf, job.means = b[2].buf, job.starts = b[3].buf, job.rings = b[4].buf;
    job.near = b[5].buf, job.logarithms = b[6].buf, job.reciprocals = b[7].buf, job.inputs = b[8].buf;
    job.predicted = b[9].buf, job.scale = b[10].buf, job.rows = b[9].len / 8;
    job.taps = (int)(b[1].len / 4), job.channels = (int)(b[3].len / 4) - 1;
    job.count = job.channels > 0 ? (int)(b[5].len / 4 / job.channels) : 0;
    int64_t width = job.taps + RINGS + 2 * (job.channels - 1) + 1;
    int fits = job.bits >= 1 && job.bits <= 24 && job.channels >= 1 && job.channels <= MOST_CHANNELS
               && job.taps <= LONGEST_WINDOW && b[1].len == job.taps * 4 && b[3].len == (job.channels + 1) * 4
               && b[0].len == job.rows * job.taps * 4 && b[2].len == (Py_ssize_t)job.channels * job.taps * 4
               && b[4].len == job.taps * 4 && b[5].len == (Py_ssize_t)job.channels * job.count * 4
               && b[6].len == MANTISSAS * 4 && b[7].len == 256 * 8 && b[8].len == job.rows * width * 2
               && b[9].len == job.rows * 8 && b[10].len == job.rows * 8;
    for (int tap = 0; fits && tap < job.channels * job.count; tap++)
        fits = job.near[tap] >= 0 && job.near[tap] < job.taps;
    fits = fits && job.starts[0] == 0 && job.starts[job.channels] == job.taps;
    for (int channel = 0; fits && channel < job.channels; channel++)
        fits = job.starts[channel] <= job.starts[channel + 1];
    int innermost = 0;
    for (int tap = 0; fits && tap < job.starts[1]; tap++)
        innermost += job.rings[tap] <= 0;
    fits = fits && (innermost || !job.count);
    if (!fits) {
        wrong("arrays of other sizes than the windows");
    } else {
        Py_BEGIN_ALLOW_THREADS;
        engine->mixture_inputs(&job);
        Py_END_ALLOW_THREADS;
        result = none();
    }
    release(b, BUFFERS);
    return result;
}

/* Outputs of the perceptron, and what they are relative to, as mixtures. */
typedef struct {
    const float *outputs;                /* [rows][3 * COMPONENTS]: means, spreads, weights */
    const double *predicted;             /* [rows] */
    const int64_t *scale, *shifts;       /* [rows] */
    const double *quarters, *sixteenths; /* [4], [16]: powers of two */
    int64_t *nearest;                    /* [rows] */
    double *means, *rates;               /* [rows][COMPONENTS] */
    int32_t *shares;                     /* [rows][COMPONENTS] */
    int64_t rows;
    int bits;
} Outputs;

enum { MOST_SHIFT = 1024, LEAST_SPREAD = 16 * 7, MOST_SPREAD = 16 * 37, MOST_MEAN = 16 * 256 };

INLINE double power_of_two(int64_t exponent)
{
    uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

AVX2 static void mix(const Outputs *job)
{
    double end = ldexp(1, job->bits);
    for (int64_t row = 0; row < job->rows; row++) {
        const float *means = job->outputs + row * 3 * COMPONENTS, *spreads = means + COMPONENTS;
        const float *weights = spreads + COMPONENTS;
        int64_t scale = job->scale[row];
        double unit = job->quarters[scale & 3] * power_of_two((scale >> 2) - 8), mean[COMPONENTS];
        int heaviest = 0;
        for (int component = 1; component < COMPONENTS; component++)
            heaviest = weights[component] > weights[heaviest] ? component : heaviest;
        for (int component = 0; component < COMPONENTS; component++) {
            double given = means[component];
            given = given < -MOST_MEAN ? -MOST_MEAN : given > MOST_MEAN ? MOST_MEAN : given;
            mean[component] = floor(given * unit) + job->predicted[row];
            int64_t spread = (((int64_t)spreads[component] * 16 + 128) >> 8) + scale * 4 + job->shifts[row];
            spread = spread < LEAST_SPREAD ? LEAST_SPREAD : spread > MOST_SPREAD ? MOST_SPREAD : spread;
            job->rates[row * COMPONENTS + component] = job->sixteenths[-spread & 15] * power_of_two((-spread >> 4) + 10);
            int64_t behind = (int64_t)weights[heaviest] - (int64_t)weights[component];
            int32_t share = decay[behind < DECAY ? behind : DECAY - 1] >> (20 - SHARE_BITS);
            job->shares[row * COMPONENTS + component] = share > 1 ? share : 1;
        }
        double nearest = floor(mean[heaviest] / WEIGHT_UNIT + 0.5);
        nearest = nearest < 1 - end ? 1 - end : nearest > end - 1 ? end - 1 : nearest;
        job->nearest[row] = (int64_t)nearest;
        for (int component = 0; component < COMPONENTS; component++)
            job->means[row * COMPONENTS + component] = mean[component] - nearest * WEIGHT_UNIT;
    }
}

/* Whether numbers are such that integers hold all that is computed from them. */
static int are_outputs(const Outputs *job)
{
    int fits = 1;
    for (int64_t index = 0; fits && index < job->rows * 3 * COMPONENTS; index++)
        fits = job->outputs[index] > -0x1p30f && job->outputs[index] < 0x1p30f;
    for (int64_t row = 0; fits && row < job->rows; row++)
        fits = job->scale[row] >= 0 && job->scale[row] <= LARGEST && job->shifts[row] >= -MOST_SHIFT
               && job->shifts[row] <= MOST_SHIFT && fabs(job->predicted[row]) < 0x1p52;
    return fits;
}

static PyObject *mixtures(PyObject *self, PyObject *arguments)
{
    enum { BUFFERS = 10 };
    PyObject *result = NULL;
    Py_buffer b[BUFFERS]; /* outputs, predicted, scale, shifts, powers; nearest, means, rates, shares */
    Outputs job = {0};
    if (!PyArg_ParseTuple(arguments, "iy*y*y*y*y*y*w*w*w*w*", &job.bits, b, b + 1, b + 2, b + 3, b + 4, b + 5, b + 6,
                          b + 7, b + 8, b + 9))
        return NULL;
    job.outputs = b[0].buf, job.predicted = b[1].buf, job.scale = b[2].buf, job.shifts = b[3].buf;
    job.quarters = b[4].buf, job.sixteenths = b[5].buf, job.nearest = b[6].buf, job.means = b[7].buf;
    job.rates = b[8].buf, job.shares = b[9].buf, job.rows = b[1].len / 8;
    int64_t each = job.rows * COMPONENTS;
    if (job.bits < 1 || job.bits > 24 || b[0].len != each * 3 * 4 || b[1].len != job.rows * 8
        || b[2].len != job.rows * 8 || b[3].len != job.rows * 8 || b[4].len != 4 * 8 || b[5].len != 16 * 8
        || b[6].len != job.rows * 8 || b[7].len != each * 8 || b[8].len != each * 8 || b[9].len != each * 4
        || !are_outputs(&job)) {
        wrong("arrays of other sizes than the mixtures, or numbers too large");
    } else {
        Py_BEGIN_ALLOW_THREADS;
        mix(&job);
        Py_END_ALLOW_THREADS;
        result = none();
    }
    release(b, BUFFERS);
    return result;
}
