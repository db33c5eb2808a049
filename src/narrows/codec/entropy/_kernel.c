/* The functions that Python calls: they check all sizes against the lengths of the buffers, and release the lock. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <stdlib.h>

#include "_kernel_perceptron.h"

#include "_kernel_coding.h"
#include "_kernel_layers.h"
#include "_kernel_coding_calls.h"
#include "_kernel_mixture_calls.h"
#include "_kernel_whitening.h"

enum { VERSION = 3 }; /* of the functions, as engines.py calls them */

static PyObject *outputs(PyObject *self, PyObject *arguments)
{
    enum { BUFFERS = 5 };
    PyObject *tuple, *result = NULL;
    Py_buffer b[BUFFERS]; /* x, places, place, step; out */
    Perceptron job = {0};
    int is_wide;
    if (!PyArg_ParseTuple(arguments, "Oiy*y*y*y*w*", &tuple, &is_wide, b, b + 1, b + 2, b + 3, b + 4))
        return NULL;
    job.given = is_wide ? WIDE : SMALL;
    if (take_perceptron(&job, tuple, b)) {
        if (b[4].len != job.rows * job.layers[job.count - 1]->outputs * 4) {
            wrong("outputs of other sizes than the perceptron");
        } else {
            Py_BEGIN_ALLOW_THREADS;
            engine->output(&job, b[4].buf);
            Py_END_ALLOW_THREADS;
            result = none();
        }
    }
    free_perceptron(&job);
    release(b, BUFFERS);
    return result;
}

/* Fill an alphabet from buffers: bonus, items, edges; whether they fit. */
static int take_alphabet(Alphabet *alphabet, const Perceptron *job, const Py_buffer *b)
{
    int outputs = job->layers[job->count - 1]->outputs;
    alphabet->bonus = b[0].len ? b[0].buf : NULL, alphabet->items = b[1].buf;
    alphabet->edges = b[2].len ? b[2].buf : NULL;
    int values = alphabet->values = alphabet->bonus ? outputs - 1 : outputs == 1 ? 2 : outputs;
    alphabet->symbols = alphabet->edges ? (int)(b[2].len / 8) - 1 : values;
    int64_t known = values ? b[0].len / 4 / values : 0;
    if (values < 1 || values > 1024 || alphabet->first < 0 || alphabet->first >= values || alphabet->symbols < 1
        || alphabet->symbols > values || b[0].len != known * values * 4 || (known && b[1].len != job->rows * 8))
        return 0;
    for (int64_t row = 0; known && row < job->rows; row++)
        if (alphabet->items[row] < 0 || alphabet->items[row] >= known)
            return 0;
    for (int symbol = 0; alphabet->edges && symbol < alphabet->symbols; symbol++)
        if (alphabet->edges[symbol] < 0 || alphabet->edges[symbol] >= alphabet->edges[symbol + 1]
            || alphabet->edges[symbol + 1] > values)
            return 0;
    return 1;
}

static PyObject *distributions(PyObject *self, PyObject *arguments)
{
    enum { BUFFERS = 8 };
    PyObject *tuple, *result = NULL;
    Py_buffer b[BUFFERS]; /* x, places, place, step; bonus, items, edges; cumulative */
    Perceptron job = {0};
    Alphabet alphabet = {0};
    int is_wide;
    if (!PyArg_ParseTuple(arguments, "Oiy*y*y*y*y*y*y*iw*", &tuple, &is_wide, b, b + 1, b + 2, b + 3, b + 4, b + 5,
                          b + 6, &alphabet.first, b + 7))
        return NULL;
    job.given = is_wide ? WIDE : SMALL;
    if (take_perceptron(&job, tuple, b)) {
        if (!take_alphabet(&alphabet, &job, b + 4) || b[7].len != job.rows * alphabet.symbols * 4) {
            wrong("arrays of other sizes than the distributions");
        } else if (!(alphabet.scratch = malloc((size_t)alphabet.values * sizeof(int32_t)))) {
            PyErr_NoMemory();
        } else {
            Py_BEGIN_ALLOW_THREADS;
            engine->distribute(&job, &alphabet, b[7].buf);
            Py_END_ALLOW_THREADS;
            result = none();
        }
    }
    free(alphabet.scratch);
    free_perceptron(&job);
    release(b, BUFFERS);
    return result;
}

/* Whether all bases, with all offsets, are within so many values; and the numbers of both. */
static int reach(const Py_buffer *bases, const Py_buffer *offsets, int64_t values, int64_t *rows, int *taps)
{
    int64_t ends[2][2] = {{0, 0}, {0, 0}};
    const Py_buffer *given[2] = {bases, offsets};
    for (int which = 0; which < 2; which++) {
        const int64_t *number = given[which]->buf;
        if (given[which]->len % 8)
            return 0;
        for (int64_t index = 0; index < given[which]->len / 8; index++) {
            ends[which][0] = index && ends[which][0] < number[index] ? ends[which][0] : number[index];
            ends[which][1] = index && ends[which][1] > number[index] ? ends[which][1] : number[index];
        }
    }
    *rows = bases->len / 8, *taps = (int)(offsets->len / 8);
    int64_t least = ends[0][0], most = ends[0][1];
    return !*rows || !*taps
           || (0 <= least && most < values && -least <= ends[1][0] && ends[1][1] < values - most && *taps < 1 << 16);
}

static PyObject *windows(PyObject *self, PyObject *arguments)
{
    enum { BUFFERS = 4 };
    PyObject *result = NULL;
    Py_buffer b[BUFFERS]; /* values, bases, offsets; out */
    int size, taps;
    int64_t rows;
    if (!PyArg_ParseTuple(arguments, "iy*y*y*w*", &size, b, b + 1, b + 2, b + 3))
        return NULL;
    if ((size != 1 && size != 4 && size != 8) || !reach(b + 1, b + 2, b[0].len / size, &rows, &taps)
        || b[3].len != rows * taps * size) {
        wrong("arrays of other sizes than the windows");
    } else {
        Py_BEGIN_ALLOW_THREADS;
        gather(b[0].buf, size, b[1].buf, rows, b[2].buf, taps, b[3].buf);
        Py_END_ALLOW_THREADS;
        result = none();
    }
    release(b, BUFFERS);
    return result;
}

static PyObject *any_nonzero(PyObject *self, PyObject *arguments)
{
    enum { BUFFERS = 4 };
    PyObject *result = NULL;
    Py_buffer b[BUFFERS]; /* values, bases, offsets; out */
    int taps;
    int64_t rows;
    if (!PyArg_ParseTuple(arguments, "y*y*y*w*", b, b + 1, b + 2, b + 3))
        return NULL;
    if (!reach(b + 1, b + 2, b[0].len, &rows, &taps) || b[3].len != rows) {
        wrong("arrays of other sizes than the windows");
    } else {
        Py_BEGIN_ALLOW_THREADS;
        find_nonzero(b[0].buf, b[1].buf, rows, b[2].buf, taps, b[3].buf);
        Py_END_ALLOW_THREADS;
        result = none();
    }
    release(b, BUFFERS);
    return result;
}

static PyObject *bonuses(PyObject *self, PyObject *arguments)
{
    enum { BUFFERS = 4 };
    PyObject *result = NULL;
    Py_buffer b[BUFFERS]; /* counts, bonus, cells; out */
    int indices;
    if (!PyArg_ParseTuple(arguments, "iy*y*y*w*", &indices, b, b + 1, b + 2, b + 3))
        return NULL;
    int64_t items = indices > 0 ? b[0].len / 4 / indices : 0, values = b[2].len / 8;
    const int64_t *cells = b[2].buf;
    int fits = indices > 0 && b[0].len == items * indices * 4 && b[1].len == BUCKETS * 4 && b[2].len == values * 8
               && values < 1 << 16 && b[3].len == items * values * 4;
    for (int64_t value = 0; fits && value < values; value++)
        fits = cells[value] >= 0 && cells[value] < indices;
    for (int64_t index = 0; fits && index < items * indices; index++)
        fits = ((const float *)b[0].buf)[index] >= 0 && ((const float *)b[0].buf)[index] < 0x1p31f;
    if (!fits) {
        wrong("arrays of other sizes than the counts");
    } else {
        Py_BEGIN_ALLOW_THREADS;
        look_up_bonus(b[0].buf, items, indices, b[1].buf, cells, (int)values, b[3].buf);
        Py_END_ALLOW_THREADS;
        result = none();
    }
    release(b, BUFFERS);
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
    {"outputs", outputs, METH_VARARGS, "Write the outputs of layers, float32, for inputs uint8 or int16 (rows, inputs)."},
    {"distributions", distributions, METH_VARARGS, "Write the cumulative frequencies, int32, that the outputs stand for."},
    {"intervals", intervals, METH_VARARGS, "Write starts and widths of symbols, and the inverse of their probabilities."},
    {"encode", encode, METH_VARARGS, "Return the lower end of the interval of all symbols, and its width."},
    {"decode", decode, METH_VARARGS, "Write the symbols of distributions; False where the payload is corrupt."},
    {"decode_bits", decode_bits, METH_VARARGS, "Write numbers of some bits each; False where the payload is corrupt."},
    {"windows", windows, METH_VARARGS, "Write the values, of 1, 4 or 8 bytes, at all offsets from each base."},
    {"any_nonzero", any_nonzero, METH_VARARGS, "Write whether any byte at the offsets from each base is not zero."},
    {"bonuses", bonuses, METH_VARARGS, "Write the bonus of each value by how often each item has shown its index."},
    {"residuals", residuals, METH_VARARGS, "Write differences from predictions, int16, and the nearest indices."},
    {"mixture_inputs", mixture_inputs, METH_VARARGS, "Write inputs, int16, predictions and scales for windows, int32."},
    {"mixtures", mixtures, METH_VARARGS, "Write nearest indices, means, rates and shares for outputs, float32."},
    {"whitening", whitening, METH_VARARGS, "Write residuals of signals, int32 (n, channels, length), or the inverse."},
    {"instructions", instructions, METH_VARARGS, "Return the instructions in use; choose others by name."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_kernel", "Perceptrons and frequencies in whole numbers.", -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernel(void)
{
    __builtin_cpu_init();
    fill_decay();
    if (!choose(NULL)) {
        PyErr_SetString(PyExc_ImportError, "a processor without AVX2");
        return NULL;
    }
    PyObject *made = PyModule_Create(&module);
    if (made && PyModule_AddIntConstant(made, "VERSION", VERSION)) {
        Py_DECREF(made);
        return NULL;
    }
    return made;
}
