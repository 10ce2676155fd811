/* Runs an exported model of one tensor in and one out.
 *
 *     encoder encoder.jic tokens.f32 out.f32 [calls [threads]]
 *
 * Reads the input's bytes from a file, writes the output's to another one, and says how long a call took. */
#include <jic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void check(jic_status status) {
  if (status == JIC_OK) return;
  fprintf(stderr, "%s: %s\n", jic_status_name(status), jic_error_message());
  exit(1);
}

static void transfer(const char *path, const char *mode, void *data, size_t bytes) {
  FILE *file = fopen(path, mode);
  size_t done = !file ? 0 : *mode == 'r' ? fread(data, 1, bytes, file) : fwrite(data, 1, bytes, file);
  if (!file || done != bytes || fclose(file)) {
    fprintf(stderr, "%s: expected %zu bytes\n", path, bytes);
    exit(1);
  }
}

static double microseconds(void) {
  struct timespec now;
  timespec_get(&now, TIME_UTC);
  return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: encoder model.jic input output [calls [threads]]\n");
    return 2;
  }
  int calls = argc > 4 ? atoi(argv[4]) : 1;
  if (argc > 5) check(jic_set_num_threads(atoi(argv[5])));

  jic_model *model;
  check(jic_load(argv[1], &model));
  if (jic_num_inputs(model, 0) != 1 || jic_num_outputs(model, 0) != 1) {
    fprintf(stderr, "%s: not one tensor in and one out\n", jic_signature_text(model, 0));
    return 1;
  }
  jic_tensor_info in, out;
  check(jic_input_info(model, 0, 0, &in));
  check(jic_output_info(model, 0, 0, &out));
  jic_tensor input = {malloc(in.bytes), in.dtype, in.rank, in.shape, NULL};
  jic_tensor output = {malloc(out.bytes), out.dtype, out.rank, out.shape, NULL};
  double *times = malloc(sizeof(double) * (size_t)(calls > 0 ? calls : 1));
  if (!input.data || !output.data || !times) return 1;

  transfer(argv[2], "rb", input.data, in.bytes);
  for (int i = 0; i < calls; ++i) {
    double start = microseconds();
    check(jic_run(model, 0, &input, 1, &output, 1));
    times[i] = microseconds() - start;
  }
  transfer(argv[3], "wb", output.data, out.bytes);
  qsort(times, (size_t)calls, sizeof(double), ascending);
  if (calls) printf("%s: %.1f us a call (median of %d), %.1f at best\n", jic_signature_text(model, 0), times[calls / 2], calls, times[0]);

  free(times);
  free(input.data);
  free(output.data);
  jic_free(model);
  return 0;
}
