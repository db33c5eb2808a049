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
