/* Distributions of symbols, range coding, and what contexts hold: what the modules of the same names compute, faster. */

#include "_kernel_mixtures.h"

enum { DECAY = 3700, BUCKETS = 24 }; /* from where on frequencies are 1 */
static int32_t decay[DECAY];  /* frequencies by the distance from the largest logit, in 1/256: 2^20 exp(-d / 256) */

static void fill_decay(void)
{
    double frequency = 1 << 20;
    for (int distance = 0; distance < DECAY; distance++, frequency *= 0.99610136947011746) /* exp(-1 / 256) */
        decay[distance] = frequency < 1.5 ? 1 : (int32_t)(frequency + 0.5); /* none is so near to a half that this errs */
}

typedef struct {
    const float *bonus;   /* [any][values], or NULL; then the last output is its gate */
    const int64_t *items; /* [rows]: whose bonus */
    const int64_t *edges; /* [symbols + 1]: where the values of each symbol begin; or NULL */
    int32_t *scratch;     /* [values] */
    int values, symbols, first;
} Alphabet;

/* Add the bonus to logits: floor(bonus x gate), rounded to float once, where logits exceed 2^24. */
INLINE void add_bonus(int32_t *logits, int values, const float *bonus, int32_t gated)
{
    float gate = (float)gated + 256;
    gate = (gate < 0 ? 0 : gate > 1024 ? 1024 : gate) / 256;
    for (int k = 0; k < values; k++) {
        float product = bonus[k] * gate, whole = (float)(int32_t)product; /* below 2^14, in 1/256: exact */
        logits[k] = (int32_t)((float)logits[k] + (whole - (whole > product)));
    }
}

/* Write the cumulative frequencies of the symbols of a row, from logits, which it overwrites. */
INLINE void cumulate(const Alphabet *alphabet, int64_t row, int32_t *logits, int32_t *cumulative)
{
    int values = alphabet->values;
    int32_t largest = logits[alphabet->first], total = 0;
    for (int k = alphabet->first + 1; k < values; k++)
        largest = logits[k] > largest ? logits[k] : largest;
    for (int k = 0; k < values; k++) {
        int32_t behind = largest - logits[k];
        logits[k] = behind < 0 ? 0 : behind >= DECAY ? DECAY - 1 : behind;
    }
    int32_t *sums = alphabet->edges ? alphabet->scratch : cumulative;
    for (int k = 0; k < values; k++)
        sums[k] = total += decay[logits[k]];
    if (alphabet->edges) {
        int32_t before = alphabet->edges[0] ? sums[alphabet->edges[0] - 1] : 0;
        for (int symbol = 0; symbol < alphabet->symbols; symbol++)
            cumulative[symbol] = sums[alphabet->edges[symbol + 1] - 1] - before;
    }
}

INLINE void distribute(
    const Perceptron *job, const Alphabet *alphabet, int32_t *cumulative, void (*const products[])(const Product *))
{
    int stride = job->layers[job->count - 1]->panels * LANES;
    for (int64_t start = 0; start < job->rows; start += TILE) {
        int rows = job->rows - start < TILE ? (int)(job->rows - start) : TILE;
        run_tile(job, start, rows, products);
        for (int row = 0; row < rows; row++) {
            int32_t *logits = job->sums + (ptrdiff_t)row * stride;
            if (alphabet->bonus)
                add_bonus(logits, alphabet->values, alphabet->bonus + alphabet->items[start + row] * alphabet->values,
                          logits[alphabet->values]);
            else if (job->layers[job->count - 1]->outputs == 1) /* of "yes", against 0 */
                logits[1] = logits[0], logits[0] = 0;
            cumulate(alphabet, row, logits, cumulative + (start + row) * alphabet->symbols);
        }
    }
}

INLINE void output(const Perceptron *job, float *out, void (*const products[])(const Product *))
{
    const Layer *last = job->layers[job->count - 1];
    for (int64_t start = 0; start < job->rows; start += TILE) {
        int rows = job->rows - start < TILE ? (int)(job->rows - start) : TILE;
        run_tile(job, start, rows, products);
        for (int row = 0; row < rows; row++)
            for (int k = 0; k < last->outputs; k++)
                out[(start + row) * last->outputs + k] = (float)job->sums[(ptrdiff_t)row * last->panels * LANES + k];
    }
}

#define TOTAL (1 << 24) /* of probabilities */

/* Where the symbol before the one of number `next` ends, if the frequencies of all before `next` have this sum. */
INLINE uint32_t end_of(int32_t sum, double scale, int next, int symbols)
{
    return next == symbols ? TOTAL : (uint32_t)(sum * scale) + (uint32_t)next;
}

typedef struct {
    const int32_t *cumulative; /* [rows][symbols], or NULL for mixtures, of which only the sums that are needed exist */
    Mixtures mixtures;
    int64_t rows;
    int symbols;
} Frequencies;

/* The sum of the frequencies of a symbol and those before it. */
INLINE int32_t sum_to(const Frequencies *given, int64_t row, int symbol)
{
    return given->cumulative ? given->cumulative[row * given->symbols + symbol]
                             : sum_of_mixture(&given->mixtures, row, symbol, given->symbols);
}

INLINE void write_intervals(
    const Frequencies *given, const int32_t *symbol, uint32_t *starts, uint32_t *widths, double *shares)
{
    int symbols = given->symbols;
    for (int64_t row = 0; row < given->rows; row++) {
        int which = symbol[row];
        int32_t before = which ? sum_to(given, row, which - 1) : 0, after = sum_to(given, row, which);
        double total = sum_to(given, row, symbols - 1), scale = (TOTAL - symbols) / total;
        starts[row] = which ? end_of(before, scale, which, symbols) : 0;
        widths[row] = end_of(after, scale, which + 1, symbols) - starts[row];
        shares[row] = total / (after - before);
    }
}

/* state: range, offset, and the number of words read. */
INLINE void narrow(uint64_t *state, const uint32_t *words, int64_t count, uint64_t scale, uint32_t start, uint32_t width)
{
    state[1] -= scale * start;
    state[0] = scale * width;
    if (state[0] >> 32 == 0) {
        state[0] <<= 32;
        state[1] = state[1] << 32 | (state[2] < (uint64_t)count ? words[state[2]] : 0);
        state[2]++;
    }
}

INLINE int read_symbols(
    const Frequencies *given, uint64_t *state, const uint32_t *words, int64_t count, int32_t *found)
{
    int symbols = given->symbols;
    for (int64_t row = 0; row < given->rows; row++) {
        double scale = (TOTAL - symbols) / (double)sum_to(given, row, symbols - 1);
        uint64_t unit = state[0] >> 24, target = state[1] / unit;
        if (target >= TOTAL)
            return 0;
        int symbol = 0, above = symbols - 1; /* the symbol is among these */
        uint32_t start = 0, end = TOTAL;
        while (symbol < above) {
            int middle = (symbol + above) / 2;
            uint32_t reached = end_of(sum_to(given, row, middle), scale, middle + 1, symbols);
            if (target < reached)
                above = middle, end = reached;
            else
                symbol = middle + 1, start = reached;
        }
        found[row] = symbol;
        narrow(state, words, count, unit, start, end - start);
    }
    return 1;
}

#define GATHER(type)                                                                                                   \
    for (int64_t row = 0; row < rows; row++)                                                                           \
        for (int tap = 0; tap < taps; tap++)                                                                           \
            ((type *)out)[row * taps + tap] = ((const type *)flat)[bases[row] + offsets[tap]]

INLINE void gather(
    const void *flat, int size, const int64_t *bases, int64_t rows, const int64_t *offsets, int taps, void *out)
{
    if (size == 1)
        GATHER(uint8_t);
    else if (size == 4)
        GATHER(int32_t);
    else
        GATHER(int64_t);
}

INLINE void find_nonzero(
    const uint8_t *flat, const int64_t *bases, int64_t rows, const int64_t *offsets, int taps, uint8_t *out)
{
    for (int64_t row = 0; row < rows; row++) {
        int tap = 0;
        while (tap < taps && !flat[bases[row] + offsets[tap]])
            tap++;
        out[row] = tap < taps;
    }
}

/* out[item][value] of the bonus by the bucket of how often an item has shown the index in whose cell a value is. */
INLINE void look_up_bonus(
    const float *counts, int64_t items, int indices, const float *bonus, const int64_t *cells, int values, float *out)
{
    for (int64_t item = 0; item < items; item++)
        for (int value = 0; value < values; value++) {
            int32_t count = (int32_t)counts[item * indices + cells[value]], bits;
            float real = (float)count;
            memcpy(&bits, &real, 4);
            int32_t octave = (bits >> 23) - 127 + 5, bucket = count < 8 ? count : octave;
            out[item * values + value] = bonus[bucket < BUCKETS ? bucket : BUCKETS - 1];
        }
}

enum { TABLE = 2048, WEIGHT_BITS = 12 }; /* weights of predictions are in units of 2^-12 */

typedef struct {
    const int32_t *windows, *weights; /* [rows][taps], [taps] */
    const float *small, *large;       /* [TABLE] each: compressed differences, and those by their upper bits */
    int16_t *inputs;                  /* [rows][taps + 1] */
    int64_t *nearest;                 /* [rows] */
    int64_t rows;
    int taps, bits;
} Residuals;

/* Inputs of the perceptron of residuals: differences from a linear prediction, compressed, and the prediction. */
INLINE void compress_residuals(const Residuals *job)
{
    int64_t end = (int64_t)1 << job->bits;
    for (int64_t row = 0; row < job->rows; row++) {
        const int32_t *window = job->windows + row * job->taps;
        int16_t *inputs = job->inputs + row * (job->taps + 1);
        int64_t predicted = 0;
        for (int tap = 0; tap < job->taps; tap++)
            predicted += (int64_t)job->weights[tap] * window[tap];
        for (int tap = 0; tap < job->taps; tap++) {
            int64_t eighths = ((int64_t)window[tap] * (1 << WEIGHT_BITS) - predicted + 256) >> 9;
            int64_t size = eighths < 0 ? -eighths : eighths;
            size = size < 1 << 22 ? size : (1 << 22) - 1;
            int value = (int)(size < TABLE ? job->small[size] : job->large[size / TABLE]);
            inputs[tap] = (int16_t)(eighths < 0 ? -value : value);
        }
        int64_t level = predicted >> (job->bits + WEIGHT_BITS - 8), near = (predicted + 2048) >> WEIGHT_BITS;
        inputs[job->taps] = (int16_t)(level < -LARGEST ? -LARGEST : level > LARGEST ? LARGEST : level);
        job->nearest[row] = near < 1 - end ? 1 - end : near > end - 1 ? end - 1 : near;
    }
}

#define FOR(name, target)                                                                                              \
    target static void output_##name(const Perceptron *job, float *out) { output(job, out, products_##name); }         \
    target static void distribute_##name(const Perceptron *job, const Alphabet *alphabet, int32_t *cumulative)         \
    {                                                                                                                  \
        distribute(job, alphabet, cumulative, products_##name);                                                        \
    }                                                                                                                  \
    target static void residuals_##name(const Residuals *job) { compress_residuals(job); }                            \
    target static void mixture_inputs_##name(const MixtureInputs *job) { mixture_inputs_of(job); }                     \
    target static void intervals_##name(const Frequencies *given, const int32_t *symbol, uint32_t *starts,             \
        uint32_t *widths, double *shares)                                                                              \
    {                                                                                                                  \
        write_intervals(given, symbol, starts, widths, shares);                                                        \
    }                                                                                                                  \
    target static int read_##name(const Frequencies *given, uint64_t *state, const uint32_t *words, int64_t count,     \
        int32_t *found)                                                                                                \
    {                                                                                                                  \
        return read_symbols(given, state, words, count, found);                                                        \
    }
FOR(vnni, VNNI)
FOR(avx2, AVX2)

typedef struct {
    const char *name;
    void (*output)(const Perceptron *, float *);
    void (*distribute)(const Perceptron *, const Alphabet *, int32_t *);
    void (*residuals)(const Residuals *);
    void (*mixture_inputs)(const MixtureInputs *);
    void (*intervals)(const Frequencies *, const int32_t *, uint32_t *, uint32_t *, double *);
    int (*read)(const Frequencies *, uint64_t *, const uint32_t *, int64_t, int32_t *);
} Engine;

static const Engine VNNI_ENGINE = {"avx512vnni",   output_vnni,         distribute_vnni, residuals_vnni,
                                   mixture_inputs_vnni, intervals_vnni, read_vnni};
static const Engine AVX2_ENGINE = {"avx2",   output_avx2,         distribute_avx2, residuals_avx2,
                                   mixture_inputs_avx2, intervals_avx2, read_avx2};
static const Engine *engine;

/* Use the instructions of this name, or the best ones; 0 where the processor does not have them. */
static int choose(const char *wanted)
{
    int vnni = __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw")
               && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    if (vnni && (!wanted || !strcmp(wanted, VNNI_ENGINE.name)))
        engine = &VNNI_ENGINE;
    else if (__builtin_cpu_supports("avx2") && (!wanted || !strcmp(wanted, AVX2_ENGINE.name)))
        engine = &AVX2_ENGINE;
    else
        return 0;
    return 1;
}
