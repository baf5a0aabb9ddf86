#include "mask.hpp"

#include <algorithm>

#include "errors.hpp"

namespace ct {
namespace {

enum ChunkKind : uint8_t {
  all_valid = 0,
  all_holes = 1,
  runs = 2,
  bitmap_one = 3,
  bitmap_many = 4
};

void put_byte(std::vector<std::byte>& out, unsigned value) {
  out.push_back(static_cast<std::byte>(value & 0xffu));
}

/// LEB128: seven bits at a time, the lowest first, the top bit set on all but the last byte.
void put_varint(std::vector<std::byte>& out, uint64_t value) {
  while (value >= 0x80) {
    put_byte(out, static_cast<unsigned>(value & 0x7f) | 0x80u);
    value >>= 7;
  }
  put_byte(out, static_cast<unsigned>(value));
}

[[noreturn]] void corrupt(const char* what) {
  throw Error(Exit::corrupt, std::string("the mask is damaged: ") + what);
}

class MaskReader {
 public:
  MaskReader(Bytes chunks, const std::vector<uint64_t>& patterns,
             const std::function<void(const HoleRun&)>& visit)
      : chunks_(chunks), patterns_(patterns), visit_(visit) {}

  uint64_t read(uint64_t values) {
    for (uint64_t base = 0; base < values; base += mask_chunk_values) {
      chunk(base, std::min(mask_chunk_values, values - base));
    }
    if (at_ != chunks_.size) corrupt("bytes follow its last chunk");
    return holes_;
  }

 private:
  uint8_t byte() {
    if (at_ >= chunks_.size) corrupt("it ends too early");
    return std::to_integer<uint8_t>(chunks_.data[at_++]);
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 28; shift += 7) {
      const uint8_t b = byte();
      value |= static_cast<uint64_t>(b & 0x7f) << shift;
      if ((b & 0x80) == 0) return value;
    }
    corrupt("a number is too long");
  }
  uint64_t pattern(uint64_t index) {
    if (index >= patterns_.size()) corrupt("a pattern is not in its table");
    return patterns_[index];
  }
  void run(uint64_t begin, uint64_t count, uint64_t bits) {
    visit_({begin, count, bits});
    holes_ += count;
  }

  void chunk(uint64_t base, uint64_t count) {
    switch (byte()) {
      case all_valid:
        return;
      case all_holes:
        return run(base, count, pattern(varint()));
      case runs:
        return run_list(base, count);
      case bitmap_one: {
        const uint64_t bits = pattern(varint());
        return bitmap(base, count, [&] { return bits; });
      }
      case bitmap_many: {
        // The indices follow the bitmap: find them first.
        std::size_t next_index = at_ + (count + 7) / 8;
        bitmap(base, count, [&] {
          if (chunks_.size < 2 || next_index > chunks_.size - 2) corrupt("it ends too early");
          uint16_t index = 0;
          std::memcpy(&index, chunks_.data + next_index, sizeof index);
          next_index += 2;
          return pattern(index);
        });
        at_ = next_index;
        return;
      }
      default:
        corrupt("a chunk is of unknown kind");
    }
  }

  void run_list(uint64_t base, uint64_t count) {
    const uint64_t total = varint();
    uint64_t at = 0;
    for (uint64_t i = 0; i < total; ++i) {
      const uint64_t gap = varint();
      const uint64_t length = varint();
      const uint64_t bits = pattern(varint());
      if (length == 0 || gap > count - at || length > count - at - gap)
        corrupt("a run does not fit its chunk");
      run(base + at + gap, length, bits);
      at += gap + length;
    }
  }

  template <class NextBits>
  void bitmap(uint64_t base, uint64_t count, NextBits next_bits) {
    const std::size_t bytes = (count + 7) / 8;
    if (bytes > chunks_.size - at_) corrupt("it ends too early");
    const std::byte* map = chunks_.data + at_;
    at_ += bytes;
    for (uint64_t i = 0; i < count; ++i) {
      if (((std::to_integer<unsigned>(map[i / 8]) >> (i % 8)) & 1u) != 0)
        run(base + i, 1, next_bits());
    }
    if (count % 8 != 0 && (std::to_integer<unsigned>(map[bytes - 1]) >> (count % 8)) != 0) {
      corrupt("bits are set beyond its end");
    }
  }

  Bytes chunks_;
  const std::vector<uint64_t>& patterns_;
  const std::function<void(const HoleRun&)>& visit_;
  std::size_t at_ = 0;
  uint64_t holes_ = 0;
};

}  // namespace

uint16_t MaskWriter::pattern_index(uint64_t bits) {
  const auto known = index_.find(bits);
  if (known != index_.end()) return known->second;
  if (patterns_.size() == mask_most_patterns) {
    overflowed_ = true;
    return 0;
  }
  const auto index = static_cast<uint16_t>(patterns_.size());
  patterns_.push_back(bits);
  index_.emplace(bits, index);
  return index;
}

void MaskWriter::add_valid_chunk() {
  const auto kind = static_cast<std::byte>(all_valid);
  sink_({&kind, 1});
}

void MaskWriter::add_chunk(const uint8_t* hole, const uint64_t* bits, std::size_t count) {
  if (overflowed_) return;
  chunk_indices_.resize(mask_chunk_values);
  uint64_t holes = 0;
  bool one_pattern = true;
  uint64_t last_bits = 0;
  uint16_t last_index = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (hole[i] == 0) continue;
    if (holes == 0 || bits[i] != last_bits) {
      one_pattern = one_pattern && holes == 0;
      last_bits = bits[i];
      last_index = pattern_index(last_bits);
    }
    chunk_indices_[i] = last_index;
    ++holes;
  }
  holes_ += holes;
  if (holes == 0) return add_valid_chunk();
  std::vector<std::byte> out;
  if (holes == count && one_pattern) {
    put_byte(out, all_holes);
    put_varint(out, last_index);
  } else {
    encode_runs(out, hole, count);
    std::vector<std::byte> alternative;
    encode_bitmap(alternative, hole, count, one_pattern);
    if (alternative.size() < out.size()) out.swap(alternative);
  }
  sink_({out.data(), out.size()});
}

void MaskWriter::encode_runs(std::vector<std::byte>& out, const uint8_t* hole,
                             std::size_t count) const {
  std::vector<std::byte> list;
  uint64_t total = 0;
  std::size_t end_of_last = 0;
  for (std::size_t i = 0; i < count;) {
    if (hole[i] == 0) {
      ++i;
      continue;
    }
    const std::size_t begin = i;
    while (i < count && hole[i] != 0 && chunk_indices_[i] == chunk_indices_[begin]) ++i;
    put_varint(list, begin - end_of_last);
    put_varint(list, i - begin);
    put_varint(list, chunk_indices_[begin]);
    end_of_last = i;
    ++total;
  }
  put_byte(out, runs);
  put_varint(out, total);
  out.insert(out.end(), list.begin(), list.end());
}

void MaskWriter::encode_bitmap(std::vector<std::byte>& out, const uint8_t* hole, std::size_t count,
                               bool one_pattern) const {
  std::vector<std::byte> indices;
  std::vector<std::byte> map((count + 7) / 8);
  uint16_t last = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (hole[i] == 0) continue;
    map[i / 8] |= static_cast<std::byte>(1u << (i % 8));
    last = chunk_indices_[i];
    if (!one_pattern) {
      put_byte(indices, last & 0xffu);
      put_byte(indices, static_cast<unsigned>(last) >> 8);
    }
  }
  put_byte(out, one_pattern ? bitmap_one : bitmap_many);
  if (one_pattern) put_varint(out, last);
  out.insert(out.end(), map.begin(), map.end());
  out.insert(out.end(), indices.begin(), indices.end());
}

void MaskWriter::finish() {
  sink_(
      {reinterpret_cast<const std::byte*>(patterns_.data()), patterns_.size() * sizeof(uint64_t)});
}

std::vector<uint64_t> mask_patterns(Bytes section, uint32_t pattern_count) {
  const std::size_t table_bytes = std::size_t{pattern_count} * sizeof(uint64_t);
  if (pattern_count == 0 || pattern_count > mask_most_patterns || table_bytes > section.size) {
    corrupt("its table of patterns does not fit");
  }
  std::vector<uint64_t> patterns(pattern_count);
  std::memcpy(patterns.data(), section.data + (section.size - table_bytes), table_bytes);
  return patterns;
}

uint64_t read_mask(Bytes section, uint32_t pattern_count, uint64_t values,
                   const std::function<void(const HoleRun&)>& visit) {
  const std::vector<uint64_t> patterns = mask_patterns(section, pattern_count);
  const Bytes chunks = section.part(0, section.size - patterns.size() * sizeof(uint64_t));
  return MaskReader(chunks, patterns, visit).read(values);
}

}  // namespace ct
