/* Runs files that jic.export has written, without Python and torch.
 *
 * A model holds one or more signatures: ways to call it, each with inputs and outputs of fixed dtypes and shapes. What it gives
 * is bit for bit what the same program gives inside Python.
 *
 * Memory. The caller owns all tensors; the library copies nothing that it could use in place, and keeps no pointer after
 * a call. Everything that a query returns points into the model and lives until jic_free.
 *
 * Threads. Any number of threads may call jic_run and the queries on one model at the same time: each run has memory of its own.
 * (A model that changes a weight of its own in place, as batch norm does in training, runs one call at a time.) The runs share one
 * team of threads, whose size jic_set_num_threads sets: a run that finds the team busy works on its calling thread alone, with the
 * same numbers. jic_free must not run at the same time as anything else on its model. A process that forks may go on in the
 * child, where every run takes its calling thread only.
 *
 * Errors. A function that can fail returns JIC_OK or a code; then jic_error_message has the text of this thread's last failure.
 * No exception leaves the library. A file that fails a check is not executed, nor is a call with tensors that do not fit.
 */
#ifndef JIC_H
#define JIC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define JIC_API __attribute__((visibility("default")))
#else
#define JIC_API
#endif

/* The form of files that this library reads. */
#define JIC_FORMAT 1

typedef enum jic_status {
  JIC_OK = 0,
  JIC_ERROR_ARGUMENT = 1,      /* a null pointer, a number out of range */
  JIC_ERROR_FILE = 2,          /* the file cannot be opened, read or mapped */
  JIC_ERROR_NOT_A_MODEL = 3,   /* it is something else */
  JIC_ERROR_CUT_SHORT = 4,     /* its end is missing */
  JIC_ERROR_DAMAGED = 5,       /* a checksum, or a byte between the entries, is not what it was */
  JIC_ERROR_FORMAT = 6,        /* written in another format version */
  JIC_ERROR_MANIFEST = 7,      /* its parts do not fit each other */
  JIC_ERROR_CPU = 8,           /* it holds no program that this CPU can run */
  JIC_ERROR_UNKNOWN_STEP = 9,  /* a program has a kind of step that this version does not know */
  JIC_ERROR_ATEN = 10,         /* a program calls ATen, which is in torch */
  JIC_ERROR_CODE = 11,         /* the object code cannot be loaded */
  JIC_ERROR_UNSUPPORTED = 12,  /* the model's arguments or results cannot be told in C */
  JIC_ERROR_SIGNATURE = 13,    /* no such signature, or none that fits the tensors */
  JIC_ERROR_COUNT = 14,        /* a wrong number of tensors */
  JIC_ERROR_DTYPE = 15,        /* a tensor of another dtype */
  JIC_ERROR_SHAPE = 16,        /* a tensor of another rank or shape */
  JIC_ERROR_STRIDES = 17,      /* strides that lead to the same element twice, or below zero; memory that overlaps */
  JIC_ERROR_INDEX = 18,        /* the program met an index out of range: the outputs are worth nothing */
  JIC_ERROR_GAVE_UP = 19,      /* the program met a case that it was not compiled for: likewise */
  JIC_ERROR_MEMORY = 20,       /* out of memory */
  JIC_ERROR_INTERNAL = 21
} jic_status;

typedef enum jic_dtype {
  JIC_BOOL = 0, /* one byte, 0 or 1 */
  JIC_UINT8 = 1,
  JIC_UINT16 = 2,
  JIC_UINT32 = 3,
  JIC_UINT64 = 4,
  JIC_INT8 = 5,
  JIC_INT16 = 6,
  JIC_INT32 = 7,
  JIC_INT64 = 8,
  JIC_FLOAT16 = 9,
  JIC_BFLOAT16 = 10,
  JIC_FLOAT32 = 11,
  JIC_FLOAT64 = 12,
  JIC_COMPLEX64 = 13,
  JIC_COMPLEX128 = 14
} jic_dtype;

typedef struct jic_model jic_model;

/* An array in the caller's memory. Strides are in elements; null strides mean row-major. `data` may be null if there are no elements. */
typedef struct jic_tensor {
  void *data;
  jic_dtype dtype;
  int32_t rank;
  const int64_t *shape;
  const int64_t *strides;
} jic_tensor;

/* What an input or output must be. Any strides fit: `strides` are those that need no copy. A Python number is an input or output of rank 0
 * (int64 or float64). Names: an argument's or result's place, as in "0", "0.mask" or "scale". */
typedef struct jic_tensor_info {
  const char *name;
  jic_dtype dtype;
  int32_t rank;
  const int64_t *shape;
  const int64_t *strides;
  size_t bytes; /* of a dense array */
} jic_tensor_info;

/* Reads a file, checks all of it (once, by mapping it), and loads the first program of each signature that this CPU can run. */
JIC_API jic_status jic_load(const char *path, jic_model **model);
JIC_API void jic_free(jic_model *model); /* null is fine */

/* Queries. Signatures are numbered from 0. `jic_signature_text` is for people; null if there is no such signature. */
JIC_API size_t jic_num_signatures(const jic_model *model);
JIC_API const char *jic_signature_text(const jic_model *model, size_t signature);
JIC_API size_t jic_num_inputs(const jic_model *model, size_t signature);
JIC_API size_t jic_num_outputs(const jic_model *model, size_t signature);
JIC_API jic_status jic_input_info(const jic_model *model, size_t signature, size_t input, jic_tensor_info *info);
JIC_API jic_status jic_output_info(const jic_model *model, size_t signature, size_t output, jic_tensor_info *info);

/* The first signature that has inputs of these dtypes and shapes (JIC_ERROR_SIGNATURE: none has). */
JIC_API jic_status jic_find_signature(const jic_model *model, const jic_tensor *inputs, size_t num_inputs, size_t *signature);

/* Runs a signature: reads `inputs`, fills the memory of `outputs`. An argument that the model changes in place is changed in the caller's
 * memory as well. Outputs must not overlap each other or inputs. */
JIC_API jic_status jic_run(jic_model *model, size_t signature, const jic_tensor *inputs, size_t num_inputs, const jic_tensor *outputs,
                           size_t num_outputs);

/* Threads a run may use, at least 1; at first as many as the process may run on. Waits for runs that use the team. */
JIC_API jic_status jic_set_num_threads(int threads);
JIC_API int jic_num_threads(void);

/* The text of the last failure on this thread, "" if there was none. It lives until this thread's next call that fails. */
JIC_API const char *jic_error_message(void);
/* A code's name, as in "JIC_ERROR_DAMAGED". */
JIC_API const char *jic_status_name(jic_status status);

#ifdef __cplusplus
}
#endif

#endif /* JIC_H */
