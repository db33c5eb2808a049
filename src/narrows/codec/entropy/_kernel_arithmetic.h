/* Perceptrons and frequencies in whole numbers: what exact_predictor.py and engines.py compute, faster.

   Weights and activations are int16 and sums int32; no sum exceeds 2^24, so they equal those of NumPy in float32.
   Sizes are those that the caller has checked. */

#ifndef __x86_64__
#error "NumPy takes the kernel's place on other processors"
#endif
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define LANES 16 /* outputs of a panel of weights, which holds pairs of inputs: [panel][pair][LANES][2] */
#define TILE 96  /* rows that go through all layers at once: a multiple of the rows of each kernel */
#define LARGEST 255

typedef struct {
    int inputs, outputs, shift; /* shift: places by which sums are divided */
    int pairs, panels;
    int16_t *weight;
    int32_t *bias; /* panels * LANES */
} Layer;

typedef void (*Product)(const int16_t *x, int rows, int pairs, const int16_t *weight, int panels, int32_t *sums);

/* sums[row][output] of x [rows, padded to a whole number of kernels][2 * pairs]. */
#define DEFINE_PRODUCT(name, target, vector, per_panel, kernel_rows, zero, broadcast, load, store, dot)               \
    target static void name(const int16_t *x, int rows, int pairs, const int16_t *weight, int panels, int32_t *sums) \
    {                                                                                                                 \
        enum { width = LANES / per_panel };                                                                           \
        for (int panel = 0; panel < panels; panel++) {                                                                \
            for (int row = 0; row < rows; row += kernel_rows) {                                                       \
                vector sum[kernel_rows][per_panel];                                                                   \
                for (int k = 0; k < kernel_rows; k++)                                                                 \
                    for (int v = 0; v < per_panel; v++)                                                               \
                        sum[k][v] = zero;                                                                             \
                const int16_t *w = weight + (ptrdiff_t)panel * pairs * LANES * 2;                                     \
                for (int pair = 0; pair < pairs; pair++, w += LANES * 2) {                                            \
                    vector some[per_panel];                                                                           \
                    for (int v = 0; v < per_panel; v++)                                                               \
                        some[v] = load(w + v * width * 2);                                                            \
                    for (int k = 0; k < kernel_rows; k++) {                                                           \
                        int32_t both;                                                                                 \
                        memcpy(&both, x + (ptrdiff_t)(row + k) * pairs * 2 + pair * 2, 4);                            \
                        vector given = broadcast(both);                                                               \
                        for (int v = 0; v < per_panel; v++)                                                           \
                            sum[k][v] = dot(sum[k][v], given, some[v]);                                               \
                    }                                                                                                 \
                }                                                                                                     \
                for (int k = 0; k < kernel_rows; k++)                                                                 \
                    for (int v = 0; v < per_panel; v++)                                                               \
                        store(sums + (ptrdiff_t)(row + k) * panels * LANES + panel * LANES + v * width, sum[k][v]);   \
            }                                                                                                         \
        }                                                                                                             \
    }

#define LOAD512(p) _mm512_loadu_si512((const void *)(p))
#define STORE512(p, v) _mm512_storeu_si512((void *)(p), v)
#define LOAD256(p) _mm256_loadu_si256((const __m256i *)(p))
#define STORE256(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define DOT512(s, a, b) _mm512_dpwssd_epi32(s, a, b)
#define DOT256(s, a, b) _mm256_add_epi32(s, _mm256_madd_epi16(a, b))
#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define AVX2 __attribute__((target("avx2")))
DEFINE_PRODUCT(product_vnni, VNNI, __m512i, 1, 12, _mm512_setzero_si512(), _mm512_set1_epi32, LOAD512, STORE512, DOT512)
DEFINE_PRODUCT(product_avx2, AVX2, __m256i, 2, 4, _mm256_setzero_si256(), _mm256_set1_epi32, LOAD256, STORE256, DOT256)

#define INLINE static inline __attribute__((always_inline))

INLINE int32_t shifted(int32_t sum, int places)
{
    return places > 0 ? (sum + (1 << (places - 1))) >> places : sum * (1 << -places);
}

typedef struct {
    int count; /* of layers */
    const Layer *const *layers;
    const int16_t *x; /* [rows][inputs of the first layer] */
    const int32_t *places; /* [any][outputs of the first layer], or NULL */
    const int64_t *place; /* [rows] */
    const int32_t *step; /* [outputs of the first layer], or NULL */
    float *out; /* [rows][outputs of the last layer] */
    int64_t rows;
    int16_t *activations, *inputs; /* scratch of a tile */
    int32_t *sums;
} Job;

INLINE void run(const Job *job, Product product)
{
    const Layer *first = job->layers[0], *last = job->layers[job->count - 1];
    for (int64_t start = 0; start < job->rows; start += TILE) {
        int rows = job->rows - start < TILE ? (int)(job->rows - start) : TILE;
        int padded = (rows + 11) / 12 * 12;
        int width = first->pairs * 2;
        for (int row = 0; row < rows; row++) {
            memcpy(job->inputs + row * width, job->x + (start + row) * first->inputs, first->inputs * sizeof(int16_t));
            if (first->inputs < width)
                job->inputs[row * width + first->inputs] = 0;
        }
        memset(job->inputs + rows * width, 0, (size_t)(padded - rows) * width * sizeof(int16_t));
        const int16_t *given = job->inputs;
        for (int number = 0; number < job->count; number++) {
            const Layer *layer = job->layers[number];
            int outputs = layer->panels * LANES;
            product(given, padded, layer->pairs, layer->weight, layer->panels, job->sums);
            if (layer == last)
                break;
            int next = job->layers[number + 1]->pairs * 2;
            for (int row = 0; row < padded; row++) {
                int32_t *sum = job->sums + row * outputs;
                int16_t *activation = job->activations + row * next;
                int64_t item = start + (row < rows ? row : 0);
                const int32_t *place = number == 0 && job->places ? job->places + job->place[item] * layer->outputs : NULL;
                if (place)
                    for (int k = 0; k < layer->outputs; k++)
                        sum[k] += place[k];
                if (number == 0 && job->step)
                    for (int k = 0; k < layer->outputs; k++)
                        sum[k] += job->step[k];
                for (int k = 0; k < layer->outputs; k++) {
                    int32_t value = shifted(sum[k] + layer->bias[k], layer->shift);
                    activation[k] = (int16_t)(value < 0 ? 0 : value > LARGEST ? LARGEST : value);
                }
                for (int k = layer->outputs; k < next; k++)
                    activation[k] = 0;
            }
            given = job->activations;
        }
        for (int row = 0; row < rows; row++) {
            const int32_t *sum = job->sums + row * last->panels * LANES;
            float *out = job->out + (start + row) * last->outputs;
            for (int k = 0; k < last->outputs; k++)
                out[k] = (float)shifted(sum[k] + last->bias[k], last->shift);
        }
    }
}

typedef struct {
    const float *logits; /* [rows][count], whole numbers */
    const double *decay; /* [length] */
    const int64_t *edges; /* [symbols + 1]: where the values of each symbol begin; or NULL */
    int64_t rows;
    int count, symbols, first, length;
} Distribution;

/* Frequencies of the values of a row: decay[largest logit from `first` on - logit]; of its symbols -> their sum. */
INLINE double frequencies_of(const Distribution *given, int64_t row, double *frequencies)
{
    const float *logits = given->logits + row * given->count;
    float largest = logits[given->first];
    double total = 0;
    for (int k = given->first + 1; k < given->count; k++)
        largest = logits[k] > largest ? logits[k] : largest;
    for (int k = 0; k < given->count; k++) {
        float behind = largest - logits[k], last = (float)(given->length - 1);
        frequencies[k] = given->decay[(int)(behind < 0 ? 0 : behind > last ? last : behind)];
    }
    if (given->edges) /* in place: no symbol has values before its own place */
        for (int symbol = 0; symbol < given->symbols; symbol++) {
            double sum = 0;
            for (int64_t k = given->edges[symbol]; k < given->edges[symbol + 1]; k++)
                sum += frequencies[k];
            frequencies[symbol] = sum;
        }
    for (int symbol = 0; symbol < given->symbols; symbol++)
        total += frequencies[symbol]; /* integers below 2^53: exact in any order */
    return total;
}

#define TOTAL (1 << 24) /* of probabilities */

INLINE void write_intervals(
    const Distribution *given, const int32_t *symbols, uint32_t *starts, uint32_t *widths, double *totals,
    double *chosen, double *frequencies)
{
    for (int64_t row = 0; row < given->rows; row++) {
        double total = frequencies_of(given, row, frequencies), before = 0, scale = (TOTAL - given->symbols) / total;
        int symbol = symbols[row];
        for (int k = 0; k < symbol; k++)
            before += frequencies[k];
        uint32_t start = (uint32_t)(before * scale) + symbol, end = TOTAL;
        if (symbol + 1 < given->symbols)
            end = (uint32_t)((before + frequencies[symbol]) * scale) + symbol + 1;
        starts[row] = start, widths[row] = end - start;
        totals[row] = total, chosen[row] = frequencies[symbol];
    }
}

/* state: range, offset, and the number of words read. */
INLINE void narrow(uint64_t *state, const uint32_t *words, int64_t count, uint64_t scale, uint32_t start, uint32_t width)
{
    state[1] -= scale * start;
    state[0] = scale * width;
    if (state[0] >> 32 == 0) {
        state[0] <<= 32;
        state[1] = state[1] << 32 | ((int64_t)state[2] < count ? words[state[2]] : 0);
        state[2]++;
    }
}

INLINE int read_symbols(
    const Distribution *given, uint64_t *state, const uint32_t *words, int64_t count, int32_t *symbols,
    double *frequencies)
{
    for (int64_t row = 0; row < given->rows; row++) {
        double total = frequencies_of(given, row, frequencies), before = 0, scale = (TOTAL - given->symbols) / total;
        uint64_t unit = state[0] >> 24, target = state[1] / unit;
        if (target >= TOTAL)
            return 0;
        uint32_t start = 0, end = TOTAL;
        int symbol = 0;
        for (; symbol + 1 < given->symbols; symbol++, start = end) {
            before += frequencies[symbol];
            end = (uint32_t)(before * scale) + symbol + 1;
            if (target < end)
                break;
        }
        if (symbol + 1 == given->symbols)
            end = TOTAL;
        symbols[row] = symbol;
        narrow(state, words, count, unit, start, end - start);
    }
    return 1;
}

typedef struct {
    const float *outputs; /* [rows][count + 1]: the last one is the gate */
    const float *bonus;   /* [any][count] */
    const int64_t *items; /* [rows] */
    float *out;           /* [rows][count] */
    int64_t rows;
    int count;
} Bonus;

/* out = output + floor(bonus x gate) */
INLINE void add_bonus(const Bonus *job)
{
    for (int64_t row = 0; row < job->rows; row++) {
        const float *outputs = job->outputs + row * (job->count + 1), *bonus = job->bonus + job->items[row] * job->count;
        float *out = job->out + row * job->count, gate = outputs[job->count] + 256;
        gate = (gate < 0 ? 0 : gate > 1024 ? 1024 : gate) / 256;
        for (int k = 0; k < job->count; k++) {
            float product = bonus[k] * gate, whole = (float)(int32_t)product; /* below 2^14, in 1/256: exact */
            out[k] = outputs[k] + (whole - (whole > product)); /* rounded once, where outputs exceed 2^24 */
        }
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

#define FOR(name, target)                                                                                             \
    target static void run_##name(const Job *job) { run(job, product_##name); }                                       \
    target static void bonus_##name(const Bonus *job) { add_bonus(job); }                                             \
    target static void residuals_##name(const Residuals *job) { compress_residuals(job); }                            \
    target static void write_##name(const Distribution *given, const int32_t *symbols, uint32_t *starts,              \
        uint32_t *widths, double *totals, double *chosen, double *frequencies)                                        \
    {                                                                                                                 \
        write_intervals(given, symbols, starts, widths, totals, chosen, frequencies);                                 \
    }                                                                                                                 \
    target static int read_##name(const Distribution *given, uint64_t *state, const uint32_t *words, int64_t count,   \
        int32_t *symbols, double *frequencies)                                                                        \
    {                                                                                                                 \
        return read_symbols(given, state, words, count, symbols, frequencies);                                        \
    }
FOR(vnni, VNNI)
FOR(avx2, AVX2)

typedef struct {
    const char *name;
    void (*run)(const Job *);
    void (*bonus)(const Bonus *);
    void (*residuals)(const Residuals *);
    void (*write)(const Distribution *, const int32_t *, uint32_t *, uint32_t *, double *, double *, double *);
    int (*read)(const Distribution *, uint64_t *, const uint32_t *, int64_t, int32_t *, double *);
} Engine;

static const Engine VNNI_ENGINE = {"avx512vnni", run_vnni, bonus_vnni, residuals_vnni, write_vnni, read_vnni};
static const Engine AVX2_ENGINE = {"avx2", run_avx2, bonus_avx2, residuals_avx2, write_avx2, read_avx2};
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
