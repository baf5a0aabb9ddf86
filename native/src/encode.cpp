#include "encode.hpp"

#include <limits>
#include <vector>

#include "blocks.hpp"
#include "cells.hpp"
#include "hash.hpp"
#include "mapped_file.hpp"
#include "stopwatch.hpp"

namespace ct {
namespace {

constexpr std::size_t batch_values = std::size_t{1} << 17;  // about what fits a core's cache
constexpr std::size_t header_bytes = 64;                    // more than ZFP_HEADER_MAX_BITS
constexpr Strides block_strides{1, 4, 16, 64};

template <unsigned D>
std::size_t most_bytes_per_block() {
  // A block is at most ZFP_MAX_BITS for 256 values; smaller blocks scale, with room for exponents.
  return (block_values<D> * (ZFP_MAX_BITS / 256 + 2) + 64) / 8 + 8;
}

template <class T, unsigned D>
class Encoder {
 public:
  Encoder(const EncodeJob& job, const HoleRule<T>& rule, const std::function<void(Bytes)>& sink)
      : job_(job),
        rule_(rule),
        sink_(sink),
        cells_(job.view),
        pages_(job.view.data, job.drop_pages),
        blocks_per_batch_(batch_values / block_values<D>),
        buffer_((header_bytes + blocks_per_batch_ * most_bytes_per_block<D>()) / 8 + 16),
        bits_(stream_open(buffer_.data(), buffer_.size() * 8), &stream_close),
        zfp_(open_zfp(bits_.get(), job.coding)),
        walk_(job.shape) {
    result_.errors = ErrorMeter({job.coding.reversible, job.coding.tolerance});
    for (unsigned i = 0; i < 4; ++i) strides_[i] = static_cast<std::ptrdiff_t>(walk_.stride()[i]);
  }

  Encoded run() {
    const ZfpField field = zfp_field_of(job_.view.info.dtype, job_.shape);
    zfp_write_header(zfp_.get(), field.get(), ZFP_HEADER_FULL);
    while (!walk_.done() && !result_.too_large) {
      batch();
      if (job_.stop_at_violation && result_.errors.violations() > 0) break;
      pages_.used_up_to(walk_.passed() * sizeof(T));
    }
    drain_all();
    result_.hash = hasher_.digest();
    return result_;
  }

 private:
  void batch() {
    Stopwatch watch;
    const BlockWalk<D> begin = walk_;
    const bitstream_offset begin_bits = stream_wtell(bits_.get());
    std::size_t blocks = 0;
    for (; blocks < blocks_per_batch_ && !walk_.done(); ++blocks, walk_.next())
      encode_block(walk_.block());
    end_bits_ = stream_wtell(bits_.get());
    stream_flush(bits_.get());
    watch.lap(result_.compress_s);
    if (job_.verify) {
      check(begin, blocks, begin_bits);
      watch.lap(result_.verify_s);
    }
    drain_whole_words();
    watch.lap(result_.write_s);
  }

  void encode_block(const Block& block) {
    if (!job_.has_holes) {
      if (const T* direct = cells_.direct()) {
        if (block.full) {
          ZfpBlocks<T, D>::encode_strided(zfp_.get(), direct + block.offset, strides_);
        } else {
          ZfpBlocks<T, D>::encode_partial(zfp_.get(), direct + block.offset, block.extent,
                                          strides_);
        }
        return;
      }
    }
    gather(block);
    if (job_.has_holes) fill_holes(block);
    if (block.full) {
      ZfpBlocks<T, D>::encode(zfp_.get(), values_.data());
    } else {
      ZfpBlocks<T, D>::encode_partial(zfp_.get(), values_.data(), block.extent, block_strides);
    }
  }

  void gather(const Block& block) {
    if (const T* direct = cells_.direct()) {
      for_each_in_block<D>(block, walk_.stride(),
                           [&](uint64_t index, std::size_t at) { values_[at] = direct[index]; });
    } else {
      for_each_in_block<D>(block, walk_.stride(), [&](uint64_t index, std::size_t at) {
        values_[at] = cells_.value(index);
      });
    }
  }

  /// Gives holes the mean of the block's valid values: it lies within their range, so it costs
  /// little, and it cannot raise the block's exponent.
  void fill_holes(const Block& block) {
    std::array<std::size_t, block_values<D>> holes;
    std::size_t hole_count = 0;
    std::size_t valid_count = 0;
    for_each_in_block<D>(block, walk_.stride(), [&](uint64_t, std::size_t at) {
      if (rule_.is_hole(bits_of(values_[at]))) {
        holes[hole_count++] = at;
      } else {
        ++valid_count;
      }
    });
    if (hole_count == 0) return;
    double mean = 0.0;
    if (valid_count > 0) {
      const double share = 1.0 / static_cast<double>(valid_count);
      for_each_in_block<D>(block, walk_.stride(), [&](uint64_t, std::size_t at) {
        if (!rule_.is_hole(bits_of(values_[at]))) mean += static_cast<double>(values_[at]) * share;
      });
      // Rounding may carry the mean of huge values past the largest number.
      const double most = static_cast<double>(std::numeric_limits<T>::max());
      mean = std::clamp(mean, -most, most);
    }
    for (std::size_t i = 0; i < hole_count; ++i) values_[holes[i]] = static_cast<T>(mean);
  }

  /// Decodes the batch from the buffer and compares it with the input.
  void check(BlockWalk<D> walk, std::size_t blocks, bitstream_offset begin_bits) {
    std::array<T, block_values<D>> decoded;
    stream_rseek(bits_.get(), begin_bits);
    for (; blocks > 0; --blocks, walk.next()) {
      ZfpBlocks<T, D>::decode(zfp_.get(), decoded.data());
      const Block block = walk.block();
      gather(block);
      if (block.full && !job_.has_holes) {
        result_.errors.add_block(values_.data(), decoded.data(), block_values<D>);
      } else {
        for_each_in_block<D>(block, walk.stride(), [&](uint64_t, std::size_t at) {
          if (!job_.has_holes || !rule_.is_hole(bits_of(values_[at]))) {
            result_.errors.add(values_[at], decoded[at]);
          }
        });
      }
    }
  }

  /// Hands the finished words on and carries the bits of the unfinished one over to the next
  /// batch, so that the result is the one stream that a single call would make.
  void drain_whole_words() {
    const std::size_t word_bits = stream_word_bits;
    const std::size_t whole = end_bits_ / word_bits * word_bits / 8;
    const std::size_t rest = end_bits_ % word_bits;
    deliver({reinterpret_cast<const std::byte*>(buffer_.data()), whole});
    uint64_t carried = 0;
    if (rest > 0)
      std::memcpy(&carried, reinterpret_cast<const std::byte*>(buffer_.data()) + whole,
                  word_bits / 8);
    stream_rewind(bits_.get());
    if (rest > 0) stream_write_bits(bits_.get(), carried, rest);
  }

  void drain_all() {
    stream_flush(bits_.get());
    deliver({reinterpret_cast<const std::byte*>(buffer_.data()), stream_size(bits_.get())});
  }

  void deliver(Bytes bytes) {
    if (job_.most_bytes - result_.bytes < bytes.size) {
      result_.too_large = true;
      return;
    }
    hasher_.update(bytes);
    sink_(bytes);
    result_.bytes += bytes.size;
  }

  const EncodeJob& job_;
  const HoleRule<T>& rule_;
  const std::function<void(Bytes)>& sink_;
  Cells<T> cells_;
  PageDropper pages_;
  std::size_t blocks_per_batch_;
  std::vector<uint64_t> buffer_;
  BitStream bits_;
  ZfpStream zfp_;
  BlockWalk<D> walk_;
  Strides strides_{};
  bitstream_offset end_bits_ = 0;
  std::array<T, block_values<D>> values_{};
  Hasher hasher_;
  Encoded result_;
};

}  // namespace

template <class T>
Encoded encode(const EncodeJob& job, const HoleRule<T>& rule,
               const std::function<void(Bytes)>& sink) {
  return with_dims(job.shape.dims,
                   [&](auto dims) { return Encoder<T, dims()>(job, rule, sink).run(); });
}

template Encoded encode<float>(const EncodeJob&, const HoleRule<float>&,
                               const std::function<void(Bytes)>&);
template Encoded encode<double>(const EncodeJob&, const HoleRule<double>&,
                                const std::function<void(Bytes)>&);

}  // namespace ct
