/* Runs an exported loop that ends when its numbers say so: square roots by Newton's method.
 *
 *     loop loop.jic TOLERANCE A B C D E
 *
 * Prints each root as its exact bits and how many steps were taken. */
#include <jic.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  if (argc != 8) {
    fprintf(stderr, "usage: loop loop.jic tolerance and 5 numbers\n");
    return 2;
  }
  const int64_t shape[1] = {5};
  float tolerance = strtof(argv[2], NULL), numbers[5], roots[5];
  int64_t steps = 0;
  for (int i = 0; i < 5; ++i) numbers[i] = strtof(argv[3 + i], NULL);
  jic_tensor inputs[2] = {{numbers, JIC_FLOAT32, 1, shape, NULL}, {&tolerance, JIC_FLOAT32, 0, NULL, NULL}};
  jic_tensor outputs[2] = {{roots, JIC_FLOAT32, 1, shape, NULL}, {&steps, JIC_INT64, 0, NULL, NULL}};

  jic_model *model = NULL;
  size_t signature;
  jic_status status = jic_load(argv[1], &model);
  if (status == JIC_OK) status = jic_find_signature(model, inputs, 2, &signature);
  if (status == JIC_OK) status = jic_run(model, signature, inputs, 2, outputs, 2);
  jic_free(model);
  if (status != JIC_OK) {
    fprintf(stderr, "%s: %s\n", jic_status_name(status), jic_error_message());
    return 1;
  }
  for (int i = 0; i < 5; ++i) printf("%a ", roots[i]);
  printf("%lld\n", (long long)steps);
  return 0;
}
