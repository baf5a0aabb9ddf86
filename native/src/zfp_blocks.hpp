// zfp's block functions under one name for each type and number of dimensions, and its handles.
#pragma once

#include <zfp.h>

#include <array>
#include <memory>

#include "array.hpp"

namespace ct {

using Strides = std::array<std::ptrdiff_t, 4>;
using Extents = std::array<std::size_t, 4>;

template <class T, unsigned D>
struct ZfpBlocks;

// encode: a contiguous full block; encode_strided: a full block in place; encode_partial: a block
// at the array's edge; decode: into a contiguous block, which at the edge holds padding as well.
#define CT_STRIDES_1 s[0]
#define CT_STRIDES_2 s[0], s[1]
#define CT_STRIDES_3 s[0], s[1], s[2]
#define CT_STRIDES_4 s[0], s[1], s[2], s[3]
#define CT_EXTENTS_1 n[0]
#define CT_EXTENTS_2 n[0], n[1]
#define CT_EXTENTS_3 n[0], n[1], n[2]
#define CT_EXTENTS_4 n[0], n[1], n[2], n[3]
#define CT_ZFP_BLOCKS(TYPE, D)                                                                     \
  template <>                                                                                      \
  struct ZfpBlocks<TYPE, D> {                                                                      \
    static void encode(zfp_stream* z, const TYPE* p) { zfp_encode_block_##TYPE##_##D(z, p); }      \
    static void encode_strided(zfp_stream* z, const TYPE* p, const Strides& s) {                   \
      zfp_encode_block_strided_##TYPE##_##D(z, p, CT_STRIDES_##D);                                 \
    }                                                                                              \
    static void encode_partial(zfp_stream* z, const TYPE* p, const Extents& n, const Strides& s) { \
      zfp_encode_partial_block_strided_##TYPE##_##D(z, p, CT_EXTENTS_##D, CT_STRIDES_##D);         \
    }                                                                                              \
    static std::size_t decode(zfp_stream* z, TYPE* p) {                                            \
      return zfp_decode_block_##TYPE##_##D(z, p);                                                  \
    }                                                                                              \
  };
CT_ZFP_BLOCKS(float, 1)
CT_ZFP_BLOCKS(float, 2)
CT_ZFP_BLOCKS(float, 3)
CT_ZFP_BLOCKS(float, 4)
CT_ZFP_BLOCKS(double, 1)
CT_ZFP_BLOCKS(double, 2)
CT_ZFP_BLOCKS(double, 3)
CT_ZFP_BLOCKS(double, 4)
#undef CT_ZFP_BLOCKS
#undef CT_EXTENTS_4
#undef CT_EXTENTS_3
#undef CT_EXTENTS_2
#undef CT_EXTENTS_1
#undef CT_STRIDES_4
#undef CT_STRIDES_3
#undef CT_STRIDES_2
#undef CT_STRIDES_1

using BitStream = std::unique_ptr<bitstream, void (*)(bitstream*)>;
using ZfpStream = std::unique_ptr<zfp_stream, void (*)(zfp_stream*)>;
using ZfpField = std::unique_ptr<zfp_field, void (*)(zfp_field*)>;

/// How values are coded: losslessly, or to an absolute tolerance.
struct Coding {
  bool reversible = false;
  double tolerance = 0.0;
};

inline ZfpStream open_zfp(bitstream* bits, const Coding& coding) {
  ZfpStream zfp(zfp_stream_open(bits), &zfp_stream_close);
  if (!zfp) throw std::bad_alloc();
  if (coding.reversible) {
    zfp_stream_set_reversible(zfp.get());
  } else {
    zfp_stream_set_accuracy(zfp.get(), coding.tolerance);
  }
  return zfp;
}

/// The tolerance zfp works with: the largest power of two that does not exceed `requested`.
inline double effective_tolerance(double requested) {
  const ZfpStream zfp(zfp_stream_open(nullptr), &zfp_stream_close);
  if (!zfp) throw std::bad_alloc();
  return zfp_stream_set_accuracy(zfp.get(), requested);
}

inline ZfpField zfp_field_of(Dtype dtype, const CodedShape& shape) {
  ZfpField field(zfp_field_alloc(), &zfp_field_free);
  if (!field) throw std::bad_alloc();
  zfp_field_set_type(field.get(), dtype == Dtype::float32 ? zfp_type_float : zfp_type_double);
  const auto& n = shape.n;
  switch (shape.dims) {
    case 1:
      zfp_field_set_size_1d(field.get(), n[0]);
      break;
    case 2:
      zfp_field_set_size_2d(field.get(), n[0], n[1]);
      break;
    case 3:
      zfp_field_set_size_3d(field.get(), n[0], n[1], n[2]);
      break;
    default:
      zfp_field_set_size_4d(field.get(), n[0], n[1], n[2], n[3]);
      break;
  }
  return field;
}

/// Calls `function` with a std::integral_constant of the number of dimensions.
template <class Function>
auto with_dims(unsigned dims, Function function) {
  switch (dims) {
    case 1:
      return function(std::integral_constant<unsigned, 1>{});
    case 2:
      return function(std::integral_constant<unsigned, 2>{});
    case 3:
      return function(std::integral_constant<unsigned, 3>{});
    default:
      return function(std::integral_constant<unsigned, 4>{});
  }
}

}  // namespace ct
