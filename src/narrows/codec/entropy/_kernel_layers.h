/* Layers and perceptrons as Python gives them: sizes are checked against the lengths of the buffers. */

static const char LAYER[] = "narrows.codec.entropy._kernel.Layer";

static void discard_layer(Layer *layer)
{
    if (layer) {
        free(layer->weight[SMALL]);
        free(layer->weight[WIDE]);
        free(layer->bias);
        free(layer);
    }
}

static void free_layer(PyObject *capsule)
{
    discard_layer(PyCapsule_GetPointer(capsule, LAYER));
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

static void release(Py_buffer *buffers, int count)
{
    for (int number = 0; number < count; number++)
        PyBuffer_Release(buffers + number);
}

/* Return an empty layer of these sizes; NULL without memory. */
static Layer *new_layer(int inputs, int outputs, int shift, int is_small)
{
    Layer *layer = calloc(1, sizeof *layer);
    if (!layer)
        return NULL;
    layer->inputs = inputs, layer->outputs = outputs, layer->shift = shift;
    layer->panels = (outputs + LANES - 1) / LANES;
    layer->bias = calloc((size_t)layer->panels * LANES, sizeof(int32_t));
    int complete = layer->bias != NULL;
    for (int kind = is_small ? SMALL : WIDE; kind < KINDS; kind++) {
        layer->groups[kind] = (inputs + GROUP[kind] - 1) / GROUP[kind];
        layer->weight[kind] = calloc((size_t)layer->panels * layer->groups[kind], LANES * 4);
        complete = complete && layer->weight[kind];
    }
    if (complete)
        return layer;
    discard_layer(layer);
    return NULL;
}

static PyObject *make_layer(PyObject *self, PyObject *arguments)
{
    Py_buffer b[2]; /* weight, bias */
    int inputs, outputs, shift, is_small = 1;
    if (!PyArg_ParseTuple(arguments, "y*y*iii", b, b + 1, &inputs, &outputs, &shift))
        return NULL;
    PyObject *capsule = NULL;
    Layer *layer = NULL;
    const int16_t *given = b[0].buf; /* [outputs][inputs] */
    if (inputs < 1 || outputs < 1 || inputs > 1 << 16 || outputs > 1 << 16 || shift < -16 || shift > 16
        || b[0].len != (Py_ssize_t)inputs * outputs * 2 || b[1].len != (Py_ssize_t)outputs * 4) {
        wrong("a layer of other sizes than its weights");
        goto done;
    }
    for (int output = 0; output < outputs; output++) {
        int64_t sum = llabs(((const int32_t *)b[1].buf)[output]);
        for (int input = 0; input < inputs; input++) {
            int weight = abs(given[(ptrdiff_t)output * inputs + input]);
            sum += weight * LARGEST;
            is_small = is_small && weight <= LARGEST_SMALL;
        }
        if (sum >= 1 << 24) {
            wrong("sums that are not exact");
            goto done;
        }
    }
    layer = new_layer(inputs, outputs, shift, is_small);
    if (!layer) {
        PyErr_NoMemory();
        goto done;
    }
    for (int output = 0; output < outputs; output++)
        for (int input = 0; input < inputs; input++)
            for (int kind = is_small ? SMALL : WIDE; kind < KINDS; kind++) {
                int16_t value = given[(ptrdiff_t)output * inputs + input];
                ptrdiff_t group = (ptrdiff_t)(output / LANES) * layer->groups[kind] + input / GROUP[kind];
                ptrdiff_t at = (group * LANES + output % LANES) * GROUP[kind] + input % GROUP[kind];
                if (kind == SMALL)
                    ((int8_t *)layer->weight[kind])[at] = (int8_t)value;
                else
                    ((int16_t *)layer->weight[kind])[at] = value;
            }
    for (int output = 0; output < outputs; output++)
        layer->bias[output] = ((const int32_t *)b[1].buf)[output] + (shift > 0 ? 1 << (shift - 1) : 0);
    capsule = PyCapsule_New(layer, LAYER, free_layer);
done:
    if (!capsule)
        discard_layer(layer);
    release(b, 2);
    return capsule;
}

/* Fill the layers of a perceptron from a tuple; 0, with an error set, where they do not fit each other. */
static int take_layers(Perceptron *job, PyObject *tuple)
{
    Py_ssize_t count = PyTuple_Check(tuple) ? PyTuple_Size(tuple) : 0;
    if (count < 2 || count > MOST_LAYERS) {
        wrong("a perceptron has 2 to 8 layers");
        return 0;
    }
    job->count = (int)count;
    for (int number = 0; number < count; number++) {
        const Layer *layer = PyCapsule_GetPointer(PyTuple_GetItem(tuple, number), LAYER);
        if (!layer)
            return 0;
        if (number && layer->inputs != job->layers[number - 1]->outputs) {
            wrong("layers that do not fit each other");
            return 0;
        }
        job->layers[number] = layer;
        job->kinds[number] = layer->weight[SMALL] && (number || job->given == SMALL) ? SMALL : WIDE;
    }
    return 1;
}

/* Fill a perceptron from buffers: x, places, place, step; 0, with an error set, where they do not fit. */
static int take_perceptron(Perceptron *job, PyObject *tuple, const Py_buffer *b)
{
    if (!take_layers(job, tuple))
        return 0;
    const Layer *first = job->layers[0], *last = job->layers[job->count - 1];
    Py_ssize_t row = (Py_ssize_t)first->inputs * BYTES[job->given], width = (Py_ssize_t)first->panels * LANES;
    job->x = b[0].buf, job->rows = b[0].len / row;
    job->places = b[1].len ? b[1].buf : NULL, job->place = b[2].buf;
    int64_t known = b[1].len / 4 / width;
    int fits = b[0].len == job->rows * row && b[1].len == known * width * 4
               && (!known || b[2].len == job->rows * 8) && (!b[3].len || b[3].len == (Py_ssize_t)first->outputs * 4);
    for (int64_t item = 0; fits && known && item < job->rows; item++)
        fits = job->place[item] >= 0 && job->place[item] < known;
    if (!fits) {
        wrong("arrays of other sizes than the perceptron, or a place outside the table");
        return 0;
    }
    size_t widest = 0;
    for (int number = 0; number < job->count; number++) {
        size_t inputs = ((size_t)job->layers[number]->inputs + 3) / 4 * 4, outputs = (size_t)job->layers[number]->panels * LANES;
        widest = inputs > widest ? inputs : widest;
        widest = outputs > widest ? outputs : widest;
    }
    job->bias = calloc((size_t)width, sizeof(int32_t));
    job->tiles[0] = calloc(TILE * widest, sizeof(int16_t));
    job->tiles[1] = calloc(TILE * widest, sizeof(int16_t));
    job->sums = calloc((size_t)TILE * last->panels * LANES, sizeof(int32_t));
    if (!job->bias || !job->tiles[0] || !job->tiles[1] || !job->sums) {
        PyErr_NoMemory();
        return 0;
    }
    for (int k = 0; k < first->outputs; k++)
        job->bias[k] = first->bias[k] + (b[3].len ? ((const int32_t *)b[3].buf)[k] : 0);
    return 1;
}

static void free_perceptron(Perceptron *job)
{
    free(job->bias);
    free(job->tiles[0]);
    free(job->tiles[1]);
    free(job->sums);
}
