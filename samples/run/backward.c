/* A right backward pass in C, one sample and one group after another:
 *   cc -O2 -o backward samples/run/backward.c
 *   cnngrad check --exchange f64 --run './backward {dir} {batch} {channels} {filters} {groups}
 *     {height} {width} {kernel_height} {kernel_width} {out_height} {out_width}
 *     {stride_height} {stride_width} {dilation_height} {dilation_width} {pad_top} {pad_left}'
 */
#include <stdio.h>
#include <stdlib.h>

static double *numbers(const char *dir, const char *name, long count, int write, double *values) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.bin", dir, name);
    FILE *file = fopen(path, write ? "wb" : "rb");
    if (!write) values = malloc(count * sizeof *values);
    if (!file || (long)(write ? fwrite(values, sizeof *values, count, file)
                              : fread(values, sizeof *values, count, file)) != count) {
        fprintf(stderr, "%s: not %ld numbers\n", path, count);
        exit(1);
    }
    fclose(file);
    return values;
}

int main(int argc, char **argv) {
    if (argc != 18) return fprintf(stderr, "17 arguments, please\n"), 1;
    long a[16];
    for (int k = 0; k < 16; k++) a[k] = atol(argv[k + 2]);
    long N = a[0], C = a[1], F = a[2], G = a[3], H = a[4], W = a[5], kh = a[6], kw = a[7], oh = a[8], ow = a[9];
    long sh = a[10], sw = a[11], dh = a[12], dw = a[13], top = a[14], left = a[15], c_g = C / G, f_g = F / G;
    double *x = numbers(argv[1], "X", N * C * H * W, 0, NULL), *w = numbers(argv[1], "W", F * c_g * kh * kw, 0, NULL);
    double *g = numbers(argv[1], "dEdO", N * F * oh * ow, 0, NULL);
    double *grad_x = calloc(N * C * H * W, sizeof *grad_x), *grad_w = calloc(F * c_g * kh * kw, sizeof *grad_w);
    for (long n = 0; n < N; n++) for (long f = 0; f < F; f++) for (long c = 0; c < c_g; c++)
        for (long i = 0; i < oh; i++) for (long j = 0; j < ow; j++)
            for (long u = 0; u < kh; u++) for (long v = 0; v < kw; v++) {
                long h = sh * i + dh * u - top, l = sw * j + dw * v - left;
                if (h < 0 || h >= H || l < 0 || l >= W) continue;
                double from = g[((n * F + f) * oh + i) * ow + j];
                long at_x = ((n * C + f / f_g * c_g + c) * H + h) * W + l, at_w = ((f * c_g + c) * kh + u) * kw + v;
                grad_x[at_x] += from * w[at_w];
                grad_w[at_w] += from * x[at_x];
            }
    numbers(argv[1], "dEdX", N * C * H * W, 1, grad_x);
    numbers(argv[1], "dEdW", F * c_g * kh * kw, 1, grad_w);
    return 0;
}
