/* Perceptrons in whole numbers: what exact_predictor.py computes, faster.

   Activations are uint8 and weights int8, or int16 both where weights are larger; sums are int32. No sum exceeds 2^24,
   so they equal those of NumPy in float32. Sizes are those that the caller has checked. */

#ifndef __x86_64__
#error "NumPy takes the kernel's place on other processors"
#endif
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define AVX2 __attribute__((target("avx2")))

#define LANES 16 /* outputs of a panel of weights, which holds groups of inputs: [panel][group][LANES][group's size] */
#define TILE 48  /* rows that go through all layers at once: a multiple of the rows of each kernel */
#define LARGEST 255
#define LARGEST_SMALL 64 /* weights: sums of two products with 255 then fit into int16, which AVX2 needs */

enum { SMALL, WIDE, KINDS }; /* uint8 inputs in groups of 4, int16 inputs in groups of 2 */
static const int GROUP[KINDS] = {4, 2}, BYTES[KINDS] = {1, 2};

typedef struct {
    int inputs, outputs, shift; /* shift: places by which sums are divided */
    int panels, groups[KINDS];
    void *weight[KINDS]; /* SMALL: NULL where a weight is too large */
    int32_t *bias;       /* panels * LANES, with one half before the division */
} Layer;

enum { SUMS = KINDS }; /* what a product writes: sums, or activations for the next layer */

typedef struct {
    const void *x; /* [TILE][stride bytes] */
    ptrdiff_t stride;
    int rows, kind;
    const Layer *layer;
    const int32_t *bias;
    const int32_t *const *more; /* for each row what is added to its sums, or NULL */
    int result;
    void *out; /* [TILE][panels * LANES] */
} Product;

/* vector: a panel has `per_panel` of them; dot(sum, x, weights) adds the products of the groups of each lane.
   `together` panels share the loads of inputs. */
#define DEFINE_PRODUCT(name, target, vector, per_panel, together, kernel_rows, kind, broadcast, load, add, dot, finish) \
    target INLINE void name##_of(const Product *job, int panel, const int some)                                        \
    {                                                                                                                  \
        enum { width = LANES / per_panel };                                                                            \
        const Layer *layer = job->layer;                                                                               \
        const ptrdiff_t groups = layer->groups[kind], size = groups * LANES * 4;                                       \
        for (int row = 0; row < job->rows; row += kernel_rows) {                                                       \
            vector sum[kernel_rows][together * per_panel];                                                             \
            for (int k = 0; k < kernel_rows; k++)                                                                      \
                for (int v = 0; v < some * per_panel; v++) {                                                           \
                    sum[k][v] = load(job->bias + panel * LANES + v * width);                                           \
                    if (job->more)                                                                                     \
                        sum[k][v] = add(sum[k][v], load(job->more[row + k] + panel * LANES + v * width));              \
                }                                                                                                      \
            const char *x = (const char *)job->x + row * job->stride;                                                  \
            const char *w = (const char *)layer->weight[kind] + panel * size;                                          \
            for (ptrdiff_t group = 0; group < groups; group++, x += 4, w += LANES * 4) {                               \
                vector weights[together * per_panel];                                                                  \
                for (int v = 0; v < some * per_panel; v++)                                                             \
                    weights[v] = load(w + v / per_panel * size + v % per_panel * width * 4);                           \
                for (int k = 0; k < kernel_rows; k++) {                                                                \
                    int32_t both;                                                                                      \
                    memcpy(&both, x + k * job->stride, 4);                                                             \
                    vector given = broadcast(both);                                                                    \
                    for (int v = 0; v < some * per_panel; v++)                                                         \
                        sum[k][v] = dot(sum[k][v], given, weights[v]);                                                 \
                }                                                                                                      \
            }                                                                                                          \
            for (int k = 0; k < kernel_rows; k++)                                                                      \
                for (int v = 0; v < some * per_panel; v++)                                                             \
                    finish(sum[k][v], layer->shift, job->result, job->out,                                             \
                           ((row + k) * layer->panels + panel) * LANES + v * width);                                   \
        }                                                                                                              \
    }                                                                                                                  \
    target static void name(const Product *job)                                                                        \
    {                                                                                                                  \
        int panel = 0;                                                                                                 \
        for (; panel + together <= job->layer->panels; panel += together)                                              \
            name##_of(job, panel, together);                                                                           \
        for (; panel < job->layer->panels; panel++)                                                                    \
            name##_of(job, panel, 1);                                                                                  \
    }

#define LOAD512(p) _mm512_loadu_si512((const void *)(p))
#define LOAD256(p) _mm256_loadu_si256((const __m256i *)(p))
#define DOT_SMALL_256(s, a, b) _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1)))
#define DOT_WIDE_256(s, a, b) _mm256_add_epi32(s, _mm256_madd_epi16(a, b))

/* Divide sums by 2^shift, and write them, or what they are as activations, from `at` on. */
VNNI INLINE void finish_512(__m512i sum, int shift, int result, void *out, ptrdiff_t at)
{
    __m512i divided = shift < 0 ? _mm512_sll_epi32(sum, _mm_cvtsi32_si128(-shift))
                                : _mm512_sra_epi32(sum, _mm_cvtsi32_si128(shift));
    __m512i positive = _mm512_max_epi32(divided, _mm512_setzero_si512());
    if (result == SUMS)
        _mm512_storeu_si512((int32_t *)out + at, divided);
    else if (result == SMALL)
        _mm_storeu_si128((__m128i *)((uint8_t *)out + at), _mm512_cvtusepi32_epi8(positive));
    else
        _mm256_storeu_si256((__m256i *)((int16_t *)out + at),
                            _mm512_cvtepi32_epi16(_mm512_min_epi32(positive, _mm512_set1_epi32(LARGEST))));
}

AVX2 INLINE void finish_256(__m256i sum, int shift, int result, void *out, ptrdiff_t at)
{
    __m256i divided = shift < 0 ? _mm256_sll_epi32(sum, _mm_cvtsi32_si128(-shift))
                                : _mm256_sra_epi32(sum, _mm_cvtsi32_si128(shift));
    if (result == SUMS) {
        _mm256_storeu_si256((__m256i *)((int32_t *)out + at), divided);
        return;
    }
    divided = _mm256_min_epi32(divided, _mm256_set1_epi32(LARGEST));
    __m128i wide = _mm_packus_epi32(_mm256_castsi256_si128(divided), _mm256_extracti128_si256(divided, 1));
    if (result == WIDE)
        _mm_storeu_si128((__m128i *)((int16_t *)out + at), wide);
    else
        _mm_storel_epi64((__m128i *)((uint8_t *)out + at), _mm_packus_epi16(wide, wide));
}

#define DEFINE_PRODUCTS(kind, name)                                                                                    \
    DEFINE_PRODUCT(name##_vnni, VNNI, __m512i, 1, 2, 12, kind, _mm512_set1_epi32, LOAD512, _mm512_add_epi32,              \
                   DOT_##kind##_512, finish_512)                                                                       \
    DEFINE_PRODUCT(name##_avx2, AVX2, __m256i, 2, 1, 4, kind, _mm256_set1_epi32, LOAD256, _mm256_add_epi32,               \
                   DOT_##kind##_256, finish_256)
/* In place: with the intrinsics GCC 12 copies each sum twice at every step. */
VNNI INLINE __m512i DOT_SMALL_512(__m512i sum, __m512i x, __m512i weights)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(weights));
    return sum;
}

VNNI INLINE __m512i DOT_WIDE_512(__m512i sum, __m512i x, __m512i weights)
{
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(weights));
    return sum;
}

DEFINE_PRODUCTS(SMALL, small)
DEFINE_PRODUCTS(WIDE, wide)

enum { MOST_LAYERS = 8 };

typedef struct {
    int count; /* of layers */
    const Layer *layers[MOST_LAYERS];
    int kinds[MOST_LAYERS]; /* of their inputs */
    const void *x;          /* [rows][inputs of the first layer], uint8 or int16 */
    int given;              /* the kind of x */
    const int32_t *places;  /* [any][panels * LANES of the first layer], or NULL */
    const int64_t *place;   /* [rows] */
    int64_t rows;
    int32_t *bias;  /* of the first layer */
    char *tiles[2]; /* scratch for inputs and activations of a tile */
    int32_t *sums;  /* scratch for the outputs of a tile, [TILE][panels * LANES of the last layer] */
} Perceptron;

/* Copy the inputs of rows from `start` on to a tile, as the first layer takes them. */
INLINE ptrdiff_t take_inputs(const Perceptron *job, int64_t start, int rows)
{
    const Layer *first = job->layers[0];
    int kind = job->kinds[0], inputs = first->inputs, width = first->groups[kind] * GROUP[kind];
    for (int row = 0; row < rows; row++) {
        const char *from = (const char *)job->x + (start + row) * inputs * BYTES[job->given];
        char *to = job->tiles[0] + (ptrdiff_t)row * width * BYTES[kind];
        if (kind == job->given) {
            memcpy(to, from, (size_t)inputs * BYTES[kind]);
        } else { /* to int16 */
            for (int k = 0; k < inputs; k++)
                ((int16_t *)to)[k] = ((const uint8_t *)from)[k];
        }
    }
    return (ptrdiff_t)width * BYTES[kind];
}

/* Write the outputs of rows from `start` on to job->sums. */
INLINE void run_tile(const Perceptron *job, int64_t start, int rows, void (*const products[])(const Product *))
{
    const int32_t *more[TILE];
    int padded = (rows + 11) / 12 * 12;
    for (int row = 0; job->places && row < padded; row++)
        more[row] = job->places + job->place[start + (row < rows ? row : 0)] * job->layers[0]->panels * LANES;
    Product product = {.x = job->tiles[0], .stride = take_inputs(job, start, rows), .rows = padded};
    for (int number = 0; number < job->count; number++) {
        int is_last = number + 1 == job->count;
        product.layer = job->layers[number], product.kind = job->kinds[number];
        product.bias = number ? product.layer->bias : job->bias;
        product.more = number || !job->places ? NULL : more;
        product.result = is_last ? SUMS : job->kinds[number + 1];
        product.out = is_last ? (char *)job->sums : job->tiles[1 - number % 2];
        products[product.kind](&product);
        product.x = product.out;
        product.stride = (ptrdiff_t)product.layer->panels * LANES * (is_last ? 4 : BYTES[product.result]);
    }
}

static void (*const products_vnni[])(const Product *) = {small_vnni, wide_vnni};
static void (*const products_avx2[])(const Product *) = {small_avx2, wide_avx2};
