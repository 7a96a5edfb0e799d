#ifndef CPNG_SHIM_H
#define CPNG_SHIM_H
#include <png.h>
#include <stdio.h>
#include <string.h>

// libpng reports an error by longjmp, which must not cross a Swift frame: the whole decoding of one
// picture therefore happens in this function, and its error comes back as text.

struct cpng_input {
  const unsigned char *bytes;
  size_t count;
  size_t offset;
  char *message;
  size_t message_size;
};

static inline void cpng_read(png_structp png, png_bytep target, png_size_t count) {
  struct cpng_input *input = (struct cpng_input *)png_get_io_ptr(png);
  if (count > input->count - input->offset) png_error(png, "the file ends early");
  memcpy(target, input->bytes + input->offset, count);
  input->offset += count;
}

static inline void cpng_fail(png_structp png, png_const_charp text) {
  struct cpng_input *input = (struct cpng_input *)png_get_error_ptr(png);
  snprintf(input->message, input->message_size, "%s", text);
  png_longjmp(png, 1);
}

static inline void cpng_ignore(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

// Decodes a PNG file to 8-bit RGB, interleaved, `width * height * 3` bytes. Palette and grey are
// expanded, alpha is dropped, of 16 bits the upper 8 are kept, gamma is not applied. Returns 1, or
// 0 with a message.
static inline int cpng_decode_rgb(
    const unsigned char *bytes, size_t count, unsigned width, unsigned height,
    unsigned char *pixels, char *message, size_t message_size) {
  struct cpng_input input = {bytes, count, 0, message, message_size};
  snprintf(message, message_size, "out of memory");
  png_structp png =
      png_create_read_struct(PNG_LIBPNG_VER_STRING, &input, cpng_fail, cpng_ignore);
  if (!png) return 0;
  png_infop info = png_create_info_struct(png);
  if (!info || setjmp(png_jmpbuf(png))) {
    png_destroy_read_struct(&png, &info, NULL);
    return 0;
  }
  png_set_read_fn(png, &input, cpng_read);
  png_set_user_limits(png, 0x7fffffff, 0x7fffffff);
  png_read_info(png, info);
  if (png_get_image_width(png, info) != width || png_get_image_height(png, info) != height)
    png_error(png, "the header's size is not at its place");
  png_set_strip_16(png);
  png_set_expand(png);
  png_set_strip_alpha(png);
  png_set_gray_to_rgb(png);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  size_t stride = (size_t)width * 3;
  if (png_get_rowbytes(png, info) != stride) png_error(png, "the rows are not 8-bit RGB");
  for (int pass = 0; pass < passes; ++pass)
    for (unsigned row = 0; row < height; ++row)
      png_read_row(png, pixels + row * stride, NULL);
  png_read_end(png, NULL);
  png_destroy_read_struct(&png, &info, NULL);
  return 1;
}
#endif
