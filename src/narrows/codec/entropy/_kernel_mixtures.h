/* Inputs and distributions of mixtures: what mixture_features.py and mixtures.py compute, faster.

   Integers are kept in double, which holds all of them exactly; sizes are those that the caller has checked. */

enum { LONGEST_WINDOW = 2048, MOST_CHANNELS = 8, RINGS = 3, COMPONENTS = 3, WEIGHT_UNIT = 4096, MANTISSAS = 256 };

typedef struct {
    const int32_t *windows;             /* [rows][taps] */
    const int32_t *weights, *means;     /* [taps] of the prediction, [channels][taps], in 1/4096 */
    const int32_t *starts;              /* [channels + 1]: where the taps of each channel begin */
    const int32_t *rings;               /* [taps]: the nearest ring of each tap of the first channel */
    const int32_t *near;                /* [channels][count]: the nearest taps */
    const int32_t *logarithms;          /* [MANTISSAS] */
    const double *reciprocals;          /* [256]: by scale */
    int16_t *inputs;                    /* [rows][taps + RINGS + 2 * (channels - 1) + 1] */
    double *predicted;                  /* [rows] */
    int64_t *scale;                     /* [rows] */
    int64_t rows;
    int taps, channels, count, bits;
} MixtureInputs;

/* The binary logarithm in 1/16, rounded down. */
INLINE int32_t logarithm(const int32_t *table, double size)
{
    int64_t bits;
    memcpy(&bits, &size, sizeof bits);
    return 16 * ((int32_t)(bits >> 52) - 1023) + table[bits >> 44 & (MANTISSAS - 1)];
}

INLINE double clipped(double value)
{
    value = value < -LARGEST ? -LARGEST : value; /* one after the other, which compilers vectorise */
    return value > LARGEST ? LARGEST : value;
}

/* The sum of products of whole numbers, in any order. */
INLINE double whole_dot(const double *a, const double *b, int count)
{
    enum { AT_ONCE = 8 };
    double part[AT_ONCE] = {0}, sum = 0;
    int k = 0;
    for (; k + AT_ONCE <= count; k += AT_ONCE)
        for (int lane = 0; lane < AT_ONCE; lane++)
            part[lane] += a[k + lane] * b[k + lane];
    for (; k < count; k++)
        sum += a[k] * b[k];
    for (int lane = 0; lane < AT_ONCE; lane++)
        sum += part[lane];
    return sum;
}

INLINE double floored(double sum, int count)
{
    return (double)((int64_t)sum / count + WEIGHT_UNIT / 4); /* of sums from 0 */
}

INLINE void mixture_inputs_of(const MixtureInputs *job)
{
    int taps = job->taps, own = job->starts[1], count = job->count, logs = RINGS + 2 * (job->channels - 1);
    double in_ring[RINGS][LONGEST_WINDOW], weights[LONGEST_WINDOW], means[LONGEST_WINDOW];
    double window[LONGEST_WINDOW], difference[LONGEST_WINDOW], distance[LONGEST_WINDOW];
    double unknown = ldexp(WEIGHT_UNIT, job->bits - 2), of_level = ldexp(1, -4 - job->bits);
    int sizes[RINGS] = {0};
    for (int ring = 0; ring < RINGS; ring++)
        for (int tap = 0; tap < own; tap++) {
            in_ring[ring][tap] = job->rings[tap] <= ring;
            sizes[ring] += job->rings[tap] <= ring;
        }
    for (int channel = 0; channel < job->channels; channel++)
        for (int tap = job->starts[channel]; tap < job->starts[channel + 1]; tap++)
            means[tap] = job->means[channel * taps + tap];
    for (int tap = 0; tap < taps; tap++)
        weights[tap] = job->weights[tap];
    for (int64_t row = 0; row < job->rows; row++) {
        int16_t *inputs = job->inputs + row * (taps + logs + 1);
        double size[RINGS + 2 * MOST_CHANNELS], ahead = 0;
        for (int tap = 0; tap < taps; tap++)
            window[tap] = job->windows[row * taps + tap];
        double predicted = whole_dot(weights, window, taps);
        for (int channel = 0; channel < job->channels; channel++) {
            int first = job->starts[channel], end = job->starts[channel + 1];
            double mean = whole_dot(means + first, window + first, end - first), start = channel ? mean : predicted;
            if (!channel)
                ahead = mean - predicted;
            for (int tap = first; tap < end; tap++)
                difference[tap] = window[tap] * WEIGHT_UNIT - start;
        }
        for (int tap = 0; tap < own; tap++)
            distance[tap] = fabs(difference[tap]);
        for (int ring = 0; ring < RINGS; ring++)
            size[ring] = count ? floored(whole_dot(distance, in_ring[ring], own), sizes[ring]) : unknown;
        for (int channel = 1; channel < job->channels; channel++) {
            double other = 0, between = 0;
            for (int tap = 0; tap < count; tap++) {
                double away = difference[job->near[channel * count + tap]];
                other += fabs(away);
                between += fabs(difference[job->near[tap]] - ahead - away);
            }
            size[RINGS + 2 * channel - 2] = count ? floored(other, count) : size[0];
            size[RINGS + 2 * channel - 1] = count ? floored(between, count) : size[0];
        }
        int64_t scale = logarithm(job->logarithms, floor((size[0] + size[1]) / 2)) / 4;
        scale = scale > LARGEST ? LARGEST : scale;
        double reciprocal = job->reciprocals[scale];
        for (int tap = 0; tap < taps; tap++)
            inputs[tap] = (int16_t)clipped(floor(difference[tap] * reciprocal + 0.5));
        for (int number = 0; number < logs; number++) {
            int32_t over = logarithm(job->logarithms, size[number]) - 160; /* of 1/4 */
            inputs[taps + number] = (int16_t)clipped(over * LARGEST / (16 * (job->bits + 2)));
        }
        inputs[taps + logs] = (int16_t)clipped(floor(predicted * of_level));
        job->predicted[row] = predicted, job->scale[row] = scale;
    }
}

typedef struct {
    const double *means, *rates;  /* [rows][COMPONENTS] */
    const int32_t *shares;        /* [rows][COMPONENTS] */
    const double *ends;           /* [symbols - 1] */
    const int32_t *table;         /* [2 * MOST / FINE + 2] of the logistic function */
} Mixtures;

enum { MOST = 16 * 16 * 64, FINE = 64, LOGISTIC_BITS = 18, SHARE_BITS = 11 };

/* The sum of the frequencies of a symbol and those before it. */
INLINE int32_t sum_of_mixture(const Mixtures *job, int64_t row, int symbol, int symbols)
{
    const int32_t *shares = job->shares + row * COMPONENTS;
    int32_t found = symbol + 1;
    for (int component = 0; component < COMPONENTS; component++) {
        if (symbol + 1 == symbols) {
            found += shares[component] << LOGISTIC_BITS;
            continue;
        }
        double mean = job->means[row * COMPONENTS + component], rate = job->rates[row * COMPONENTS + component];
        double z = floor((job->ends[symbol] - mean) * rate);
        z = z > -MOST ? z < MOST ? z : MOST : -MOST; /* and for NaN -MOST */
        int32_t at = (int32_t)z + MOST, low = job->table[at / FINE], next = job->table[at / FINE + 1];
        found += (low + (next - low) * (at % FINE) / FINE) * shares[component];
    }
    return found;
}
