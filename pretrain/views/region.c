/* A rectangle of a JPEG in RGB. Rows above it are read but not transformed, rows below it not even read; nor are the
   columns beside it transformed. The caller leaves a margin: at the edge of what is decoded, colours that are kept at
   half the resolution lack the neighbour that they are interpolated with. */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

struct fault {
  struct jpeg_error_mgr manager;
  jmp_buf back;
};

static void give_up(j_common_ptr jpeg) { longjmp(((struct fault *)jpeg->err)->back, 1); }

static void count(j_common_ptr jpeg, int level) {
  if (level < 0) jpeg->err->num_warnings++;
}

static void begin(struct jpeg_decompress_struct *jpeg, const unsigned char *data, size_t size) {
  jpeg_create_decompress(jpeg);
  jpeg_mem_src(jpeg, data, (unsigned long)size);
  jpeg_read_header(jpeg, TRUE);
}

static void watch(struct jpeg_decompress_struct *jpeg, struct fault *fault) {
  jpeg->err = jpeg_std_error(&fault->manager);
  fault->manager.error_exit = give_up;
  fault->manager.emit_message = count;
}

/* Colours at full resolution, or at half of it across or both ways: what libraries are tried on. */
static int common(const struct jpeg_decompress_struct *jpeg) {
  const jpeg_component_info *part = jpeg->comp_info;
  if (jpeg->num_components == 1) return jpeg->jpeg_color_space == JCS_GRAYSCALE;
  return jpeg->num_components == 3 && jpeg->jpeg_color_space == JCS_YCbCr && part[0].h_samp_factor <= 2 &&
         part[0].v_samp_factor <= part[0].h_samp_factor && part[1].h_samp_factor == 1 && part[1].v_samp_factor == 1 &&
         part[2].h_samp_factor == 1 && part[2].v_samp_factor == 1;
}

/* Whether what follows the header is one scan up to the end of the file: then nothing in it can stop a decoder, and an
   image is not refused or taken according to how far it is read. */
static int one_scan(const unsigned char *at, const unsigned char *end) {
  while ((at = memchr(at, 0xff, (size_t)(end - at))) != NULL && ++at < end) {
    if (*at == 0xd9) return at + 1 == end;
    if (*at != 0x00 && *at != 0xff && (*at < 0xd0 || *at > 0xd7)) return 0;
    if (*at != 0xff) at++;
  }
  return 0;
}

/* 1 and its size if this is a JPEG of 8-bit grey or YCbCr that everyone decodes to the same pixels; else 0. */
int look(const unsigned char *data, size_t size, int *width, int *height) {
  struct jpeg_decompress_struct jpeg;
  struct fault fault;
  int plain;
  watch(&jpeg, &fault);
  if (setjmp(fault.back)) {
    jpeg_destroy_decompress(&jpeg);
    return 0;
  }
  begin(&jpeg, data, size);
  plain = !jpeg.progressive_mode && !jpeg.arith_code && jpeg.data_precision == 8 && !fault.manager.num_warnings &&
          common(&jpeg) && one_scan(jpeg.src->next_input_byte, data + size);
  *width = (int)jpeg.image_width;
  *height = (int)jpeg.image_height;
  jpeg_destroy_decompress(&jpeg);
  return plain;
}

/* The pixels of columns [x, x + w) and rows [y, y + h), and some beside them: those of [*left, *left + *wide) are written
   to `out`, row after row. 1, or 0 if something is wrong with the data or `room` bytes do not hold it. */
int region(const unsigned char *data, size_t size, int x, int y, int w, int h, unsigned char *out, size_t room,
           int *left, int *wide) {
  struct jpeg_decompress_struct jpeg;
  struct fault fault;
  volatile int fine = 0;
  watch(&jpeg, &fault);
  if (!setjmp(fault.back)) {
    JDIMENSION first = (JDIMENSION)x, columns = (JDIMENSION)w, row = 0;
    begin(&jpeg, data, size);
    jpeg.out_color_space = JCS_RGB;
    jpeg_start_decompress(&jpeg);
    if (columns < jpeg.output_width)
      jpeg_crop_scanline(&jpeg, &first, &columns);
    if ((size_t)h * columns * 3 <= room) {
      if (y) jpeg_skip_scanlines(&jpeg, (JDIMENSION)y);
      while (row < (JDIMENSION)h) {
        JSAMPROW line = out + (size_t)row * columns * 3;
        if (!jpeg_read_scanlines(&jpeg, &line, 1)) break;
        row++;
      }
      *left = (int)first;
      *wide = (int)columns;
      fine = row == (JDIMENSION)h && !fault.manager.num_warnings;
    }
  }
  jpeg_destroy_decompress(&jpeg);
  return fine;
}
