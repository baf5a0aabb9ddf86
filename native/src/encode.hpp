// The second walk: zfp, batch by batch, each batch checked before it leaves the buffer.
#pragma once

#include <functional>

#include "compare.hpp"
#include "holes.hpp"
#include "zfp_blocks.hpp"

namespace ct {

struct EncodeJob {
  const ArrayView& view;
  CodedShape shape;
  Coding coding;
  bool has_holes = false;
  bool verify = true;
  bool stop_at_violation = false;
  bool drop_pages = false;
  uint64_t most_bytes = 0;  ///< give up when the stream grows beyond this
};

struct Encoded {
  bool too_large = false;
  uint64_t bytes = 0;
  uint64_t hash = 0;
  ErrorMeter errors{Promise{}};
  double compress_s = 0.0;
  double verify_s = 0.0;
  double write_s = 0.0;
};

/// Writes to `sink` exactly the bytes that zfp_write_header and zfp_compress would make of the
/// array with its holes filled. Holes are those of `rule`. Memory does not grow with the array.
template <class T>
Encoded encode(const EncodeJob& job, const HoleRule<T>& rule,
               const std::function<void(Bytes)>& sink);

}  // namespace ct
