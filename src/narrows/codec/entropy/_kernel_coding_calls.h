/* The functions of entropy coding that Python calls. */

enum { FREQUENCIES = 5 }; /* buffers of frequencies: cumulative ones, or means, rates, shares, ends, table of mixtures */

/* Whether the shares of mixtures are such that sums fit into 32 bits. */
static int are_shares(const int32_t *shares, int64_t count)
{
    int fits = 1;
    for (int64_t index = 0; fits && index < count; index++)
        fits = shares[index] > 0 && shares[index] <= 1 << SHARE_BITS;
    return fits;
}

/* Fill frequencies of given->rows rows from a tuple, whose buffers it gets; 0, with an error set, where they do not fit. */
static int take_frequencies(Frequencies *given, PyObject *tuple, Py_buffer *b)
{
    Py_ssize_t count = PyTuple_Check(tuple) ? PyTuple_Size(tuple) : 0;
    int64_t rows = given->rows;
    int fits = (count == 1 || count == FREQUENCIES) && given->symbols > 0 && given->symbols <= 1024;
    for (Py_ssize_t number = 0; fits && number < count; number++)
        if (PyObject_GetBuffer(PyTuple_GetItem(tuple, number), b + number, PyBUF_SIMPLE))
            return 0;
    if (fits && count == 1) {
        given->cumulative = b[0].buf;
        fits = b[0].len == rows * given->symbols * 4;
        for (int64_t row = 0; fits && row < rows; row++)
            fits = given->cumulative[(row + 1) * given->symbols - 1] > 0;
    } else if (fits) {
        given->mixtures = (Mixtures){b[0].buf, b[1].buf, b[2].buf, b[3].buf, b[4].buf};
        fits = b[0].len == rows * COMPONENTS * 8 && b[1].len == rows * COMPONENTS * 8
               && b[2].len == rows * COMPONENTS * 4 && b[3].len == (given->symbols - 1) * 8
               && b[4].len == (2 * MOST / FINE + 2) * 4 && are_shares(b[2].buf, rows * COMPONENTS);
    }
    if (!fits)
        wrong("arrays of other sizes than the distributions");
    return fits;
}

static PyObject *intervals(PyObject *self, PyObject *arguments)
{
    enum { BUFFERS = 4 };
    PyObject *tuple, *result = NULL;
    Py_buffer b[BUFFERS], of[FREQUENCIES] = {0}; /* symbol; starts, widths, shares */
    Frequencies given = {0};
    if (!PyArg_ParseTuple(arguments, "iOy*w*w*w*", &given.symbols, &tuple, b, b + 1, b + 2, b + 3))
        return NULL;
    int64_t rows = given.rows = b[0].len / 4;
    const int32_t *symbol = b[0].buf;
    if (take_frequencies(&given, tuple, of)) {
        int fits = b[0].len == rows * 4 && b[1].len == rows * 4 && b[2].len == rows * 4 && b[3].len == rows * 8;
        for (int64_t row = 0; fits && row < rows; row++)
            fits = symbol[row] >= 0 && symbol[row] < given.symbols;
        if (!fits) {
            wrong("arrays of other sizes than the distributions, or symbols outside them");
        } else {
            Py_BEGIN_ALLOW_THREADS;
            engine->intervals(&given, symbol, b[1].buf, b[2].buf, b[3].buf);
            Py_END_ALLOW_THREADS;
            result = none();
        }
    }
    release(of, FREQUENCIES);
    release(b, BUFFERS);
    return result;
}

static PyObject *decode(PyObject *self, PyObject *arguments)
{
    enum { BUFFERS = 3 };
    PyObject *tuple, *result = NULL;
    Py_buffer b[BUFFERS], of[FREQUENCIES] = {0}; /* state, words; found */
    Frequencies given = {0};
    int good = 0;
    if (!PyArg_ParseTuple(arguments, "iOw*y*w*", &given.symbols, &tuple, b, b + 1, b + 2))
        return NULL;
    given.rows = b[2].len / 4;
    if (take_frequencies(&given, tuple, of)) {
        if (b[0].len != 24 || b[1].len % 4 || b[2].len % 4 || ((uint64_t *)b[0].buf)[0] >> 32 == 0) {
            wrong("arrays of other sizes than the distributions");
        } else {
            Py_BEGIN_ALLOW_THREADS;
            good = engine->read(&given, b[0].buf, b[1].buf, b[1].len / 4, b[2].buf);
            Py_END_ALLOW_THREADS;
            result = PyBool_FromLong(good);
        }
    }
    release(of, FREQUENCIES);
    release(b, BUFFERS);
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
