// Decoding a zfp stream that may be hostile: reading never leaves it.
#pragma once

#include <functional>

#include "blocks.hpp"
#include "errors.hpp"
#include "zfp_blocks.hpp"

namespace ct {

struct Payload {
  Bytes bytes;  ///< begins at an address that is a multiple of 8
  Dtype dtype = Dtype::float64;
  CodedShape shape;
  Coding coding;
  unsigned word_bits = 8;  ///< the stream word of the library that wrote it
};

/// Decodes block after block. Throws Exit::corrupt when the header is not the expected one, when
/// the stream ends within a block, or when bytes follow its last block.
template <class T, unsigned D>
class BlockDecoder {
 public:
  explicit BlockDecoder(const Payload& payload);
  void next(T* block);
  void finish() const;

 private:
  void switch_to_tail();

  Payload payload_;
  uint64_t total_bits_;
  uint64_t at_ = 0;  ///< bits used
  bool in_tail_ = false;
  std::vector<uint64_t> tail_;
  BitStream bits_;
  ZfpStream zfp_;
};

/// Refuses a payload that is too short to hold its shape even if every block were empty: a small
/// hostile file must not demand a huge output.
void check_plausible_size(const Payload& payload);

}  // namespace ct
