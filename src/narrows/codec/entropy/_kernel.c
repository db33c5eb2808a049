/* Perceptrons and frequencies in whole numbers: what exact_predictor.py and engines.py compute, faster.

   Weights and activations are int16 and sums int32; no sum exceeds 2^24, so they equal those of NumPy in float32.
   Python checks all sizes; here they are checked against the lengths of the buffers. Functions release the lock. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef __x86_64__
#error "NumPy takes the kernel's place on other processors"
#endif
#include <immintrin.h>

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
INLINE int narrow(uint64_t *state, const uint32_t *words, int64_t count, uint64_t scale, uint32_t start, uint32_t width)
{
    state[1] -= scale * start;
    state[0] = scale * width;
    if (state[0] >> 32 == 0) {
        state[0] <<= 32;
        state[1] = state[1] << 32 | ((int64_t)state[2] < count ? words[state[2]] : 0);
        state[2]++;
    }
    return 1;
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

VNNI static void run_vnni(const Job *job) { run(job, product_vnni); }
AVX2 static void run_avx2(const Job *job) { run(job, product_avx2); }
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
            int64_t eighths = (((int64_t)window[tap] << WEIGHT_BITS) - predicted + 256) >> 9;
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

static struct {
    const char *name;
    void (*run)(const Job *);
    void (*bonus)(const Bonus *);
    void (*residuals)(const Residuals *);
    void (*write)(const Distribution *, const int32_t *, uint32_t *, uint32_t *, double *, double *, double *);
    int (*read)(const Distribution *, uint64_t *, const uint32_t *, int64_t, int32_t *, double *);
} engine;

/* Use the instructions of this name, or the best ones; 0 where the processor does not have them. */
static int choose(const char *wanted)
{
    int vnni = __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw")
               && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    if (vnni && (!wanted || !strcmp(wanted, "avx512vnni"))) {
        engine.name = "avx512vnni", engine.run = run_vnni;
        engine.bonus = bonus_vnni, engine.residuals = residuals_vnni, engine.write = write_vnni, engine.read = read_vnni;
        return 1;
    }
    if (__builtin_cpu_supports("avx2") && (!wanted || !strcmp(wanted, "avx2"))) {
        engine.name = "avx2", engine.run = run_avx2;
        engine.bonus = bonus_avx2, engine.residuals = residuals_avx2, engine.write = write_avx2, engine.read = read_avx2;
        return 1;
    }
    return 0;
}

static const char LAYER[] = "narrows.codec.entropy._kernel.Layer";

static void free_layer(PyObject *capsule)
{
    Layer *layer = PyCapsule_GetPointer(capsule, LAYER);
    if (layer) {
        free(layer->weight);
        free(layer->bias);
        free(layer);
    }
}

static PyObject *wrong(const char *what)
{
    PyErr_SetString(PyExc_ValueError, what);
    return NULL;
}

static PyObject *none(void)
{
    Py_INCREF(Py_None);
    return Py_None;
}

static PyObject *make_layer(PyObject *self, PyObject *arguments)
{
    Py_buffer weight, bias;
    int inputs, outputs, shift;
    if (!PyArg_ParseTuple(arguments, "y*y*iii", &weight, &bias, &inputs, &outputs, &shift))
        return NULL;
    PyObject *capsule = NULL;
    Layer *layer = NULL;
    if (inputs < 1 || outputs < 1 || inputs > 1 << 16 || outputs > 1 << 16 || shift < -16 || shift > 16
        || weight.len != (Py_ssize_t)inputs * outputs * 2 || bias.len != (Py_ssize_t)outputs * 4) {
        wrong("a layer of other sizes than its weights");
        goto done;
    }
    layer = calloc(1, sizeof *layer);
    if (layer) {
        *layer = (Layer){inputs, outputs, shift, (inputs + 1) / 2, (outputs + LANES - 1) / LANES, NULL, NULL};
        layer->weight = calloc((size_t)layer->panels * layer->pairs * LANES * 2, sizeof(int16_t));
        layer->bias = calloc((size_t)layer->panels * LANES, sizeof(int32_t));
    }
    if (!layer || !layer->weight || !layer->bias) {
        PyErr_NoMemory();
        goto done;
    }
    const int16_t *given = weight.buf; /* [outputs][inputs] */
    for (int output = 0; output < outputs; output++)
        for (int input = 0; input < inputs; input++)
            layer->weight[(((ptrdiff_t)(output / LANES) * layer->pairs + input / 2) * LANES + output % LANES) * 2 + input % 2]
                = given[(ptrdiff_t)output * inputs + input];
    memcpy(layer->bias, bias.buf, (size_t)outputs * 4);
    capsule = PyCapsule_New(layer, LAYER, free_layer);
done:
    if (!capsule && layer) {
        free(layer->weight);
        free(layer->bias);
        free(layer);
    }
    PyBuffer_Release(&weight);
    PyBuffer_Release(&bias);
    return capsule;
}

static PyObject *perceptron(PyObject *self, PyObject *arguments)
{
    enum { MOST_LAYERS = 8 };
    PyObject *tuple, *result = NULL;
    Py_buffer x, places, place, step, out;
    const Layer *layers[MOST_LAYERS];
    if (!PyArg_ParseTuple(arguments, "Oy*y*y*y*w*", &tuple, &x, &places, &place, &step, &out))
        return NULL;
    Job job = {.layers = layers};
    Py_ssize_t count = PyTuple_Check(tuple) ? PyTuple_Size(tuple) : 0;
    if (count < 2 || count > MOST_LAYERS) {
        wrong("a perceptron has 2 to 8 layers");
        goto done;
    }
    int widest = 0, deepest = 0;
    for (Py_ssize_t number = 0; number < count; number++) {
        layers[number] = PyCapsule_GetPointer(PyTuple_GetItem(tuple, number), LAYER);
        if (!layers[number])
            goto done;
        if (number && layers[number]->inputs != layers[number - 1]->outputs) {
            wrong("layers that do not fit each other");
            goto done;
        }
        widest = layers[number]->panels > widest ? layers[number]->panels : widest;
        deepest = layers[number]->pairs > deepest ? layers[number]->pairs : deepest;
    }
    const Layer *first = layers[0], *last = layers[count - 1];
    job.count = (int)count;
    job.x = x.buf, job.out = out.buf;
    job.rows = x.len / 2 / first->inputs;
    job.places = places.len ? places.buf : NULL, job.place = place.buf;
    job.step = step.len ? step.buf : NULL;
    int64_t known = places.len / 4 / first->outputs;
    if (x.len != job.rows * first->inputs * 2 || out.len != job.rows * last->outputs * 4
        || (places.len && (places.len != known * first->outputs * 4 || place.len != job.rows * 8))
        || (step.len && step.len != (Py_ssize_t)first->outputs * 4)) {
        wrong("arrays of other sizes than the perceptron");
        goto done;
    }
    for (int64_t row = 0; job.places && row < job.rows; row++)
        if (job.place[row] < 0 || job.place[row] >= known) {
            wrong("a place outside the table");
            goto done;
        }
    job.inputs = malloc((size_t)TILE * deepest * 2 * sizeof(int16_t));
    job.activations = malloc((size_t)TILE * deepest * 2 * sizeof(int16_t));
    job.sums = malloc((size_t)TILE * widest * LANES * sizeof(int32_t));
    if (!job.inputs || !job.activations || !job.sums) {
        PyErr_NoMemory();
    } else {
        Py_BEGIN_ALLOW_THREADS;
        engine.run(&job);
        Py_END_ALLOW_THREADS;
        result = none();
    }
    free(job.inputs);
    free(job.activations);
    free(job.sums);
done:
    PyBuffer_Release(&x);
    PyBuffer_Release(&places);
    PyBuffer_Release(&place);
    PyBuffer_Release(&step);
    PyBuffer_Release(&out);
    return result;
}

/* Fill a distribution from buffers; 0 where they do not fit. */
static int distribution(Distribution *given, const Py_buffer *logits, const Py_buffer *decay, const Py_buffer *edges)
{
    given->logits = logits->buf, given->decay = decay->buf, given->edges = edges->len ? edges->buf : NULL;
    given->length = (int)(decay->len / 8);
    given->symbols = given->edges ? (int)(edges->len / 8) - 1 : given->count;
    if (given->count < 1 || given->first < 0 || given->first >= given->count || given->length < 1
        || logits->len % (given->count * 4) || given->symbols < 1 || given->symbols > given->count)
        return 0;
    given->rows = logits->len / 4 / given->count;
    for (int symbol = 0; given->edges && symbol < given->symbols; symbol++)
        if (given->edges[symbol] < symbol || given->edges[symbol] >= given->edges[symbol + 1]
            || given->edges[symbol + 1] > given->count)
            return 0;
    return 1;
}

static PyObject *intervals(PyObject *self, PyObject *arguments)
{
    enum { BUFFERS = 8 };
    PyObject *result = NULL;
    Py_buffer b[BUFFERS]; /* logits, decay, edges, symbols; starts, widths, totals, chosen */
    Distribution given = {0};
    if (!PyArg_ParseTuple(arguments, "iiy*y*y*y*w*w*w*w*", &given.count, &given.first, b, b + 1, b + 2, b + 3, b + 4,
                          b + 5, b + 6, b + 7))
        return NULL;
    double *frequencies = NULL;
    int fits = distribution(&given, b, b + 1, b + 2) && b[3].len == given.rows * 4 && b[4].len == given.rows * 4
               && b[5].len == given.rows * 4 && b[6].len == given.rows * 8 && b[7].len == given.rows * 8;
    const int32_t *symbols = b[3].buf;
    for (int64_t row = 0; fits && row < given.rows; row++)
        fits = symbols[row] >= 0 && symbols[row] < given.symbols;
    if (!fits) {
        wrong("arrays of other sizes than the distributions, or symbols outside them");
    } else if (!(frequencies = malloc((size_t)given.count * sizeof(double)))) {
        PyErr_NoMemory();
    } else {
        Py_BEGIN_ALLOW_THREADS;
        engine.write(&given, symbols, b[4].buf, b[5].buf, b[6].buf, b[7].buf, frequencies);
        Py_END_ALLOW_THREADS;
        result = none();
    }
    free(frequencies);
    for (int number = 0; number < BUFFERS; number++)
        PyBuffer_Release(b + number);
    return result;
}

static PyObject *decode(PyObject *self, PyObject *arguments)
{
    enum { BUFFERS = 6 };
    PyObject *result = NULL;
    Py_buffer b[BUFFERS]; /* state, words; logits, decay, edges; symbols */
    Distribution given = {0};
    if (!PyArg_ParseTuple(arguments, "iiw*y*y*y*y*w*", &given.count, &given.first, b, b + 1, b + 2, b + 3, b + 4, b + 5))
        return NULL;
    double *frequencies = NULL;
    int good = 0;
    if (!distribution(&given, b + 2, b + 3, b + 4) || b[0].len != 24 || b[1].len % 4 || b[5].len != given.rows * 4
        || ((uint64_t *)b[0].buf)[0] >> 32 == 0) {
        wrong("arrays of other sizes than the distributions");
    } else if (!(frequencies = malloc((size_t)given.count * sizeof(double)))) {
        PyErr_NoMemory();
    } else {
        Py_BEGIN_ALLOW_THREADS;
        good = engine.read(&given, b[0].buf, b[1].buf, b[1].len / 4, b[5].buf, frequencies);
        Py_END_ALLOW_THREADS;
        result = PyBool_FromLong(good);
    }
    free(frequencies);
    for (int number = 0; number < BUFFERS; number++)
        PyBuffer_Release(b + number);
    return result;
}

/* Numbers of `counts` bits each, of uniform probability. */
static PyObject *decode_bits(PyObject *self, PyObject *arguments)
{
    PyObject *result = NULL;
    Py_buffer state, words, counts, out;
    if (!PyArg_ParseTuple(arguments, "w*y*y*w*", &state, &words, &counts, &out))
        return NULL;
    int64_t rows = counts.len / 4, good = 1;
    const int32_t *bits = counts.buf;
    int fits = state.len == 24 && words.len % 4 == 0 && counts.len == rows * 4 && out.len == rows * 4
               && ((uint64_t *)state.buf)[0] >> 32;
    for (int64_t row = 0; fits && row < rows; row++)
        fits = bits[row] > 0 && bits[row] <= 24;
    if (!fits) {
        wrong("arrays of other sizes than the numbers of bits, or more than 24 of them");
    } else {
        Py_BEGIN_ALLOW_THREADS;
        uint64_t *now = state.buf;
        int32_t *found = out.buf;
        for (int64_t row = 0; row < rows; row++) {
            uint64_t unit = now[0] >> 24, target = now[1] / unit;
            if (target >= TOTAL) {
                good = 0;
                break;
            }
            uint32_t width = TOTAL >> bits[row];
            found[row] = (int32_t)(target / width);
            narrow(now, words.buf, words.len / 4, unit, found[row] * width, width);
        }
        Py_END_ALLOW_THREADS;
        result = PyBool_FromLong(good);
    }
    PyBuffer_Release(&state);
    PyBuffer_Release(&words);
    PyBuffer_Release(&counts);
    PyBuffer_Release(&out);
    return result;
}

/* The lower end of the interval of all symbols, as bytes, most significant first, and its width in units of the last. */
static PyObject *encode(PyObject *self, PyObject *arguments)
{
    PyObject *result = NULL;
    Py_buffer starts, widths;
    if (!PyArg_ParseTuple(arguments, "y*y*", &starts, &widths))
        return NULL;
    int64_t rows = starts.len / 4, used = 0;
    uint64_t low = 0, range = UINT64_MAX;
    unsigned char *bytes = NULL;
    if (starts.len != widths.len || starts.len % 4) {
        wrong("starts and widths of other lengths");
    } else if (!(bytes = malloc((size_t)(rows + 2) * 4))) { /* a symbol gives a word at most */
        PyErr_NoMemory();
    } else {
        Py_BEGIN_ALLOW_THREADS;
        const uint32_t *start = starts.buf, *width = widths.buf;
        for (int64_t row = 0; row < rows; row++) {
            uint64_t unit = range >> 24, more = unit * start[row];
            low += more;
            if (low < more)
                for (int64_t at = used - 1; at >= 0 && ++bytes[at] == 0; at--)
                    ;
            range = unit * width[row];
            if (range >> 32 == 0) {
                for (int shift = 56; shift >= 32; shift -= 8)
                    bytes[used++] = (unsigned char)(low >> shift);
                low <<= 32, range <<= 32;
            }
        }
        for (int shift = 56; shift >= 0; shift -= 8)
            bytes[used++] = (unsigned char)(low >> shift);
        Py_END_ALLOW_THREADS;
        result = Py_BuildValue("y#K", bytes, (Py_ssize_t)used, (unsigned long long)range);
    }
    free(bytes);
    PyBuffer_Release(&starts);
    PyBuffer_Release(&widths);
    return result;
}

static PyObject *with_bonus(PyObject *self, PyObject *arguments)
{
    PyObject *result = NULL;
    Py_buffer outputs, bonus, items, out;
    Bonus job = {0};
    if (!PyArg_ParseTuple(arguments, "y*y*y*w*i", &outputs, &bonus, &items, &out, &job.count))
        return NULL;
    job.outputs = outputs.buf, job.bonus = bonus.buf, job.items = items.buf, job.out = out.buf;
    job.rows = items.len / 8;
    int fits = job.count > 0 && items.len == job.rows * 8 && outputs.len == job.rows * (job.count + 1) * 4
               && out.len == job.rows * job.count * 4 && bonus.len % (job.count * 4) == 0;
    for (int64_t row = 0; fits && row < job.rows; row++)
        fits = job.items[row] >= 0 && job.items[row] < bonus.len / 4 / job.count;
    if (!fits) {
        wrong("arrays of other sizes than the values");
    } else {
        Py_BEGIN_ALLOW_THREADS;
        engine.bonus(&job);
        Py_END_ALLOW_THREADS;
        result = none();
    }
    PyBuffer_Release(&outputs);
    PyBuffer_Release(&bonus);
    PyBuffer_Release(&items);
    PyBuffer_Release(&out);
    return result;
}

static PyObject *residuals(PyObject *self, PyObject *arguments)
{
    enum { BUFFERS = 6 };
    PyObject *result = NULL;
    Py_buffer b[BUFFERS]; /* windows, weights, small, large; inputs, nearest */
    Residuals job = {0};
    if (!PyArg_ParseTuple(arguments, "iy*y*y*y*w*w*", &job.bits, b, b + 1, b + 2, b + 3, b + 4, b + 5))
        return NULL;
    job.windows = b[0].buf, job.weights = b[1].buf, job.small = b[2].buf, job.large = b[3].buf;
    job.inputs = b[4].buf, job.nearest = b[5].buf, job.rows = b[5].len / 8, job.taps = (int)(b[1].len / 4);
    if (job.bits < 1 || job.bits > 24 || b[1].len % 4 || b[5].len % 8 || b[0].len != job.rows * job.taps * 4
        || b[2].len != TABLE * 4 || b[3].len != TABLE * 4 || b[4].len != job.rows * (job.taps + 1) * 2) {
        wrong("arrays of other sizes than the windows");
    } else {
        Py_BEGIN_ALLOW_THREADS;
        engine.residuals(&job);
        Py_END_ALLOW_THREADS;
        result = none();
    }
    for (int number = 0; number < BUFFERS; number++)
        PyBuffer_Release(b + number);
    return result;
}

static PyObject *instructions(PyObject *self, PyObject *arguments)
{
    const char *wanted = NULL;
    if (!PyArg_ParseTuple(arguments, "|z", &wanted))
        return NULL;
    if (wanted && !choose(wanted))
        return wrong("instructions that this processor does not have");
    return PyUnicode_FromString(engine.name);
}

static PyMethodDef methods[] = {
    {"layer", make_layer, METH_VARARGS, "Return a linear layer: weight int16 (outputs, inputs), bias int32, sizes, shift."},
    {"perceptron", perceptron, METH_VARARGS, "Write the outputs of layers, float32, for inputs int16 (rows, inputs)."},
    {"intervals", intervals, METH_VARARGS, "Write starts and widths of symbols, and frequencies: all, and theirs."},
    {"encode", encode, METH_VARARGS, "Return the lower end of the interval of all symbols, and its width."},
    {"decode", decode, METH_VARARGS, "Write the symbols of distributions; False where the payload is corrupt."},
    {"decode_bits", decode_bits, METH_VARARGS, "Write numbers of some bits each; False where the payload is corrupt."},
    {"with_bonus", with_bonus, METH_VARARGS, "Write logits, float32: outputs and the bonus (any, count) of items."},
    {"residuals", residuals, METH_VARARGS, "Write differences from predictions, int16, and the nearest indices."},
    {"instructions", instructions, METH_VARARGS, "Return the instructions in use; choose others by name."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_kernel", "Perceptrons and frequencies in whole numbers.", -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernel(void)
{
    __builtin_cpu_init();
    if (!choose(NULL)) {
        PyErr_SetString(PyExc_ImportError, "a processor without AVX2");
        return NULL;
    }
    return PyModule_Create(&module);
}
