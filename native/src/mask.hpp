// The mask section: where the holes are and which bits each holds. See docs/reference/compressed-format.md.
#pragma once

#include <functional>
#include <unordered_map>
#include <vector>

#include "bytes.hpp"

namespace ct {

constexpr uint64_t mask_chunk_values = 65536;
constexpr std::size_t mask_most_patterns = 65535;

/// Encodes the mask chunk by chunk; memory does not grow with the array.
class MaskWriter {
 public:
  explicit MaskWriter(std::function<void(Bytes)> sink) : sink_(std::move(sink)) {}

  /// The next chunk has no hole.
  void add_valid_chunk();
  /// The next chunk of `count` values: `hole[i]` is 1 where `bits[i]` is a hole's.
  void add_chunk(const uint8_t* hole, const uint64_t* bits, std::size_t count);
  /// Writes the table of patterns. To be called once, after the last chunk.
  void finish();

  [[nodiscard]] const std::vector<uint64_t>& patterns() const { return patterns_; }
  /// More different patterns than the format can list: the array has to be stored raw.
  [[nodiscard]] bool overflowed() const { return overflowed_; }
  [[nodiscard]] uint64_t holes() const { return holes_; }

 private:
  uint16_t pattern_index(uint64_t bits);
  void encode_runs(std::vector<std::byte>& out, const uint8_t* hole, std::size_t count) const;
  void encode_bitmap(std::vector<std::byte>& out, const uint8_t* hole, std::size_t count,
                     bool one_pattern) const;

  std::function<void(Bytes)> sink_;
  std::vector<uint64_t> patterns_;
  std::unordered_map<uint64_t, uint16_t> index_;
  std::vector<uint16_t> chunk_indices_;  ///< per value; meaningful at holes
  uint64_t holes_ = 0;
  bool overflowed_ = false;
};

/// A run of holes that hold the same bits.
struct HoleRun {
  uint64_t begin = 0;
  uint64_t count = 0;
  uint64_t bits = 0;
};

/// Calls `visit` for every run, in storage order. Runs do not overlap; adjacent ones may hold the
/// same bits. Returns the number of holes. Throws Exit::corrupt when the section is not
/// well-formed.
uint64_t read_mask(Bytes section, uint32_t pattern_count, uint64_t values,
                   const std::function<void(const HoleRun&)>& visit);

/// The table of patterns at the section's end.
std::vector<uint64_t> mask_patterns(Bytes section, uint32_t pattern_count);

}  // namespace ct
