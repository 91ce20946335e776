/* Row-major out = x w^T is cuBLASLt's column-major D = A^T B with A = w and B = x: the layout that
 * it has its fastest kernels for. A plan is looked up by its whole shape. The heuristic's first
 * choice is kept unless another is clearly faster, so that a start seldom rounds differently from
 * the one before. */
#include "kernels/cuda/gemm.h"

#include "kernels/cuda/stream.h"

#include <cublasLt.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PLANS = 4096, TRIED = 8, RUNS = 3, WORKSPACE = 32 << 20, WIDE = 16 };

static const float CLEARLY = 0.9f; /* of the first choice's time */

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define LIBRARY "libcublasLt.so." TEXT(CUBLAS_VER_MAJOR)

struct plan {
    struct cuda_gemm_shape shape;
    int alignment; /* of out, in bytes: WIDE or less */
    cublasLtMatmulAlgo_t algorithm;
};

/* The library's functions, by the names it has for them. */
struct library {
    void *handle;
    cublasStatus_t (*create)(cublasLtHandle_t *);
    cublasStatus_t (*destroy)(cublasLtHandle_t);
    cublasStatus_t (*descriptor)(cublasLtMatmulDesc_t *, cublasComputeType_t, cudaDataType_t);
    cublasStatus_t (*set)(cublasLtMatmulDesc_t, cublasLtMatmulDescAttributes_t, const void *,
                          size_t);
    cublasStatus_t (*drop)(cublasLtMatmulDesc_t);
    cublasStatus_t (*layout)(cublasLtMatrixLayout_t *, cudaDataType, uint64_t, uint64_t, int64_t);
    cublasStatus_t (*drop_layout)(cublasLtMatrixLayout_t);
    cublasStatus_t (*preference)(cublasLtMatmulPreference_t *);
    cublasStatus_t (*prefer)(cublasLtMatmulPreference_t, cublasLtMatmulPreferenceAttributes_t,
                             const void *, size_t);
    cublasStatus_t (*drop_preference)(cublasLtMatmulPreference_t);
    cublasStatus_t (*heuristic)(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t,
                                cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                cublasLtMatrixLayout_t, cublasLtMatmulPreference_t, int,
                                cublasLtMatmulHeuristicResult_t *, int *);
    cublasStatus_t (*matmul)(cublasLtHandle_t, cublasLtMatmulDesc_t, const void *, const void *,
                             cublasLtMatrixLayout_t, const void *, cublasLtMatrixLayout_t,
                             const void *, const void *, cublasLtMatrixLayout_t, void *,
                             cublasLtMatrixLayout_t, const cublasLtMatmulAlgo_t *, void *, size_t,
                             cudaStream_t);
};

struct cuda_gemm {
    struct library library;
    cublasLtHandle_t handle;
    struct cuda_stream *stream;
    void *workspace;
    struct plan *plans;
    int count;
    cudaEvent_t from, to;
};

/* --- Loading the library --- */

static bool find_functions(struct library *l)
{
    const struct {
        const char *name;
        void *slot;
    } functions[] = {
        {"cublasLtCreate", &l->create},
        {"cublasLtDestroy", &l->destroy},
        {"cublasLtMatmulDescCreate", &l->descriptor},
        {"cublasLtMatmulDescSetAttribute", &l->set},
        {"cublasLtMatmulDescDestroy", &l->drop},
        {"cublasLtMatrixLayoutCreate", &l->layout},
        {"cublasLtMatrixLayoutDestroy", &l->drop_layout},
        {"cublasLtMatmulPreferenceCreate", &l->preference},
        {"cublasLtMatmulPreferenceSetAttribute", &l->prefer},
        {"cublasLtMatmulPreferenceDestroy", &l->drop_preference},
        {"cublasLtMatmulAlgoGetHeuristic", &l->heuristic},
        {"cublasLtMatmul", &l->matmul},
    };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *found = dlsym(l->handle, functions[i].name);
        if (!found)
            return false;
        memcpy(functions[i].slot, &found, sizeof found); /* an object pointer to a function's */
    }
    return true;
}

/* From the loader's own places, else from where the toolkit was when this was built. */
static const char *open_library(struct library *l)
{
    l->handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!l->handle)
        l->handle = dlopen(CUDA_LIBRARY_DIR "/" LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!l->handle)
        return LIBRARY " is not installed";
    return find_functions(l) ? NULL : LIBRARY " lacks a function";
}

/* --- Life --- */

static const char *make(struct cuda_gemm *g)
{
    const char *why = open_library(&g->library);
    if (why)
        return why;
    if (g->library.create(&g->handle) != CUBLAS_STATUS_SUCCESS)
        return LIBRARY " refuses the device";
    g->plans = calloc(MOST_PLANS, sizeof *g->plans);
    if (!g->plans || cuda_alloc(&g->workspace, WORKSPACE) || cudaEventCreate(&g->from) ||
        cudaEventCreate(&g->to))
        return "no memory for " LIBRARY;
    return NULL;
}

struct cuda_gemm *cuda_gemm_new(struct cuda_stream *stream, const char **why)
{
    struct cuda_gemm *g = calloc(1, sizeof *g);
    if (!g) {
        *why = "no memory";
        return NULL;
    }
    g->stream = stream;
    *why = make(g);
    if (!*why)
        return g;
    cuda_gemm_free(g);
    return NULL;
}

void cuda_gemm_free(struct cuda_gemm *g)
{
    if (!g)
        return;
    if (g->from)
        cudaEventDestroy(g->from);
    if (g->to)
        cudaEventDestroy(g->to);
    cuda_release(g->workspace);
    if (g->handle)
        g->library.destroy(g->handle);
    if (g->library.handle)
        dlclose(g->library.handle);
    free(g->plans);
    free(g);
}

/* --- One product's descriptors --- */

struct call {
    cublasLtMatmulDesc_t descriptor;
    cublasLtMatrixLayout_t w, x, out;
};

static cudaDataType data_type(enum kernel_type type)
{
    return type == KERNEL_BF16 ? CUDA_R_16BF : type == KERNEL_F16 ? CUDA_R_16F : CUDA_R_32F;
}

static void call_done(const struct library *l, struct call *c)
{
    if (c->descriptor)
        l->drop(c->descriptor);
    cublasLtMatrixLayout_t layouts[] = {c->w, c->x, c->out};
    for (int i = 0; i < 3; i++)
        if (layouts[i])
            l->drop_layout(layouts[i]);
}

static bool call_init(const struct library *l, const struct cuda_gemm_shape *s, struct call *c)
{
    const cublasOperation_t transposed = CUBLAS_OP_T;
    uint64_t rows = (uint64_t)s->rows, tokens = (uint64_t)s->tokens, k = (uint64_t)s->k;
    cudaDataType in = data_type(s->type), out = data_type(s->out_type);
    *c = (struct call){0};
    bool ok = !l->descriptor(&c->descriptor, CUBLAS_COMPUTE_32F, CUDA_R_32F) &&
              !l->set(c->descriptor, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed) &&
              !l->layout(&c->w, in, k, rows, s->k) &&
              !l->layout(&c->x, in, k, tokens, s->x_stride) &&
              !l->layout(&c->out, out, rows, tokens, s->out_stride);
    if (!ok)
        call_done(l, c);
    return ok;
}

static int multiply(struct cuda_gemm *g, const struct call *c, const cublasLtMatmulAlgo_t *how,
                    const void *w, const void *x, void *out)
{
    const float one = 1, zero = 0;
    cublasStatus_t status =
        g->library.matmul(g->handle, c->descriptor, &one, w, c->w, x, c->x, &zero, out, c->out, out,
                          c->out, how, g->workspace, WORKSPACE, g->stream->stream);
    return status == CUBLAS_STATUS_SUCCESS ? 0 : (int)cudaErrorNotSupported;
}

/* --- Plans --- */

static int alignment_of(const void *out)
{
    uintptr_t low = (uintptr_t)out & (WIDE - 1);
    return low ? (int)(low & (~low + 1)) : WIDE;
}

static struct plan *find_plan(const struct cuda_gemm *g, const struct cuda_gemm_shape *shape,
                              int alignment)
{
    for (int i = 0; i < g->count; i++)
        if (!memcmp(&g->plans[i].shape, shape, sizeof *shape) && g->plans[i].alignment == alignment)
            return &g->plans[i];
    return NULL;
}

static int candidates(struct cuda_gemm *g, const struct call *c, int alignment,
                      cublasLtMatmulHeuristicResult_t found[TRIED])
{
    const struct library *l = &g->library;
    cublasLtMatmulPreference_t p = NULL;
    uint64_t workspace = WORKSPACE;
    uint32_t wide = WIDE, least = (uint32_t)alignment;
    int count = 0;
    bool ok = !l->preference(&p) &&
              !l->prefer(p, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, 8) &&
              !l->prefer(p, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &wide, 4) &&
              !l->prefer(p, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &wide, 4) &&
              !l->prefer(p, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &least, 4) &&
              !l->prefer(p, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &least, 4) &&
              !l->heuristic(g->handle, c->descriptor, c->w, c->x, c->out, c->out, p, TRIED, found,
                            &count);
    if (p)
        l->drop_preference(p);
    return ok ? count : 0;
}

/* Milliseconds of one run, the first not counted; negative where it cannot run. */
static float time_one(struct cuda_gemm *g, const struct call *c, const cublasLtMatmulAlgo_t *how,
                      const void *w, const void *x, void *out)
{
    float milliseconds = -1;
    if (multiply(g, c, how, w, x, out) || cudaEventRecord(g->from, g->stream->stream))
        return -1;
    for (int i = 0; i < RUNS; i++)
        if (multiply(g, c, how, w, x, out))
            return -1;
    if (cudaEventRecord(g->to, g->stream->stream) || cudaEventSynchronize(g->to) ||
        cudaEventElapsedTime(&milliseconds, g->from, g->to))
        return -1;
    return milliseconds / RUNS;
}

static int choose(struct cuda_gemm *g, const struct call *c, struct plan *plan, const void *w,
                  const void *x, void *out)
{
    cublasLtMatmulHeuristicResult_t found[TRIED];
    int count = candidates(g, c, plan->alignment, found), best = -1;
    float least = 0;
    for (int i = 0; i < count; i++) {
        float time = time_one(g, c, &found[i].algo, w, x, out);
        if (time >= 0 && (best < 0 || time < least * CLEARLY)) {
            best = i;
            least = time;
        }
    }
    if (best < 0)
        return (int)cudaErrorNotSupported;
    plan->algorithm = found[best].algo;
    return 0;
}

int cuda_gemm_plan(struct cuda_gemm *g, const struct cuda_gemm_shape *shape, const void *w,
                   const void *x, void *out)
{
    int alignment = alignment_of(out);
    struct call call;
    if (find_plan(g, shape, alignment))
        return 0;
    if (g->count == MOST_PLANS || !call_init(&g->library, shape, &call))
        return (int)cudaErrorNotSupported;
    struct plan *plan = &g->plans[g->count];
    *plan = (struct plan){.shape = *shape, .alignment = alignment};
    int failed = choose(g, &call, plan, w, x, out);
    call_done(&g->library, &call);
    g->count += !failed;
    return failed;
}

int cuda_gemm_run(struct cuda_gemm *g, const struct cuda_gemm_shape *shape, const void *w,
                  const void *x, void *out)
{
    struct plan *plan = find_plan(g, shape, alignment_of(out));
    struct call call;
    if (!plan || !call_init(&g->library, shape, &call))
        return (int)cudaErrorNotSupported;
    int failed = multiply(g, &call, &plan->algorithm, w, x, out);
    call_done(&g->library, &call);
    return failed;
}
