/* The functions that Python calls: they check all sizes against the lengths of the buffers, and release the lock. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <stdlib.h>

#include "_kernel_arithmetic.h"

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
        engine->run(&job);
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
        engine->write(&given, symbols, b[4].buf, b[5].buf, b[6].buf, b[7].buf, frequencies);
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
        good = engine->read(&given, b[0].buf, b[1].buf, b[1].len / 4, b[5].buf, frequencies);
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
        engine->bonus(&job);
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
        engine->residuals(&job);
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
    return PyUnicode_FromString(engine->name);
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
